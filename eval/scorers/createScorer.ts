import { UserError } from '../../util/errors';
import { nearest } from '../../util/suggest';
import type { SnapshotOptions } from '../../util/hub/hubSnapshot';
import type { Scorer } from '../types';
import { classifierScorer } from './classifier';
import { lexiconScorer } from './lexicon';
import { probeScorer, type ModelCandidate } from './probe';

export interface ScorerContext {
  /** Model folders of the run, likeliest first: `--scorer-model`, or else the fluency model, the reference, the model. */
  candidates: readonly ModelCandidate[];
  cacheFolder: string;
  /** How a classifier comes from the hub. */
  hub: SnapshotOptions;
}

/** How each scorer is named. */
const FORMS: Readonly<Record<string, string>> = { lexicon: 'lexicon', probe: 'probe:FILE', classifier: 'classifier:MODEL[:LABEL]' };

/**
 * The scorer that `--scorer` names: `lexicon`, `probe:FILE`, or `classifier:MODEL[:LABEL]`.
 * @throws UserError for an unknown name, a file that is no probe, a probe whose model is not among the candidates, a folder that is no classifier
 */
export async function createScorer(spec: string, { candidates, cacheFolder, hub }: ScorerContext): Promise<Scorer> {
  const colon = spec.indexOf(':');
  const name = colon < 0 ? spec : spec.slice(0, colon);
  const argument = colon < 0 ? '' : spec.slice(colon + 1);
  if (name === 'lexicon' && colon < 0) return lexiconScorer();
  if (name === 'probe' && argument !== '') return probeScorer(argument, candidates, cacheFolder);
  if (name === 'classifier' && argument !== '') return classifierScorer(argument, cacheFolder, hub);
  const guess = nearest(name, Object.keys(FORMS));
  throw new UserError(
    `unknown scorer "${spec}"${guess ? `; did you mean "${FORMS[guess]}"?` : ';'} known: ${Object.values(FORMS).join(', ')}`,
  );
}
