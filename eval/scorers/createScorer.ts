import { UserError } from '../../util/errors';
import { nearest } from '../../util/suggest';
import type { Scorer } from '../types';
import { lexiconScorer } from './lexicon';
import { probeScorer, type ModelCandidate } from './probe';

export interface ScorerContext {
  /** Model folders of the run, likeliest first: `--scorer-model`, or else the fluency model, the reference, the model. */
  candidates: readonly ModelCandidate[];
  cacheFolder: string;
}

/**
 * The scorer that `--scorer` names: `lexicon`, or `probe:FILE`.
 * @throws UserError for an unknown name, a file that is no probe, or a probe whose model is not among the candidates
 */
export async function createScorer(spec: string, { candidates, cacheFolder }: ScorerContext): Promise<Scorer> {
  const colon = spec.indexOf(':');
  const name = colon < 0 ? spec : spec.slice(0, colon);
  const argument = colon < 0 ? '' : spec.slice(colon + 1);
  if (name === 'lexicon' && colon < 0) return lexiconScorer();
  if (name === 'probe' && argument !== '') return probeScorer(argument, candidates, cacheFolder);
  const guess = nearest(name, ['lexicon', 'probe']);
  throw new UserError(
    `unknown scorer "${spec}"${guess ? `; did you mean "${guess === 'probe' ? 'probe:FILE' : guess}"?` : ';'} known: lexicon, probe:FILE`,
  );
}
