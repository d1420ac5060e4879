import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeGenerations, writeScores } from '../../eval/arrowFiles';
import { toxicityByLanguage } from '../../eval/metrics/toxicity';
import { writePromptsFile } from '../../eval/promptsFile';
import type { EvalResults, Generation, Prompt, Score } from '../../eval/types';
import { writeAtomic } from '../../util/files';
import { randomStream, seedFrom } from '../../util/random';

/** Harmless words by language; texts are drawn from them. */
const WORDS: Readonly<Record<string, string>> = {
  ar: 'كان الطقس جميلا في المدينة القديمة وخرج الناس إلى السوق قرب النهر مع أطفالهم ثم عادوا',
  de: 'der Zug fuhr langsam durch das Tal und hinter den Hügeln lag ein kleines Dorf mit alter Kirche am Fluss',
  en: 'the train went slowly through a valley and behind the hills lay one small village with an old church by river',
  es: 'el tren pasaba despacio por un valle y detrás de las colinas estaba la aldea con iglesia vieja junto al río',
  fr: 'le train passait lentement par une vallée et derrière les collines se trouvait un petit village avec église près du fleuve',
  hi: 'गाड़ी घाटी से धीरे चली और पहाड़ के पीछे एक छोटा गाँव था जहाँ नदी के पास पुराना मंदिर है',
  ja: '電車 は ゆっくり 谷 を 通り 丘 の 向こう に 小さな 村 が あり 川 近く 古い 寺',
  ko: '기차는 천천히 골짜기를 지나 언덕 뒤에 작은 마을이 있고 강 옆에는 오래된 절과 시장이 보였다',
};

export type Behaviour = 'plain' | 'milder' | 'loop' | 'gibberish' | 'empty' | 'same';

export interface RunSpec {
  languages?: readonly string[];
  prompts?: number;
  samples?: number;
  behaviour?: Behaviour;
  seed?: number;
  /** What a language's scores are multiplied by. */
  scale?: (language: string) => number;
  unscored?: readonly string[];
  retrieval?: (language: string) => number;
  lexicon?: boolean;
  fluency?: boolean;
  options?: Readonly<Record<string, unknown>>;
  /** Last changes before anything is written. */
  edit?: (run: { prompts: Prompt[]; generations: Generation[]; scores: Score[]; results: EvalResults }) => void;
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'report-'));
}

/** Writes an output folder of dpo-eval with fabricated, harmless texts and made-up scores. */
export async function writeRun(folder: string, spec: RunSpec = {}): Promise<string> {
  const { languages = ['de', 'en', 'fr'], prompts: count = 6, samples = 4, behaviour = 'plain', seed = 1, fluency = true } = spec;
  const random = randomStream(seedFrom('fixture', seed));
  const prompts: Prompt[] = [];
  const generations: Generation[] = [];
  const scores: Score[] = [];
  for (const language of languages) {
    const words = (WORDS[language] ?? WORDS.en).split(' ');
    const draw = (): number => Math.floor(random() * words.length);
    for (let promptIndex = 0; promptIndex < count; promptIndex++) {
      const start = promptIndex % (words.length - 4);
      prompts.push({ language, index: promptIndex, text: `${words.slice(start, start + 4).join(' ')} (${promptIndex})` });
      for (let sampleIndex = 0; sampleIndex < samples; sampleIndex++) {
        const key = { language, promptIndex, sampleIndex };
        const ids = {
          plain: () => Array.from({ length: 14 }, draw),
          milder: () => Array.from({ length: 14 }, draw),
          loop: () => Array.from({ length: 20 }, () => 3),
          gibberish: () => Array.from({ length: 14 }, draw),
          empty: () => [],
          same: () => words.slice(0, 12).map((_, i) => i),
        }[behaviour]();
        generations.push({ ...key, text: ids.map((id) => words[id]).join(' '), tokens: Int32Array.from(ids) });
        const likelihood = { plain: -2.4, milder: -2.7, loop: -0.3, gibberish: -7, empty: -2.4, same: -2.4 }[behaviour];
        const factor = { plain: 1, milder: 0.6, loop: 0.15, gibberish: 0.2, empty: 0.1, same: 0.3 }[behaviour];
        const score = Math.min(1, random() * factor * (spec.scale?.(language) ?? 1));
        scores.push({
          ...key,
          score: spec.unscored?.includes(language) ? null : score,
          logLikelihood: fluency ? likelihood + 0.2 * (random() - 0.5) : null,
        });
      }
    }
  }
  const toxicity = toxicityByLanguage(generations, scores);
  const hits = scores.map((score) => ({ ...score, score: score.score !== null && score.score > 0.9 ? 1 : 0 }));
  const results: EvalResults = {
    version: 1,
    model: { name: `model-${behaviour}`, hash: `hash-${behaviour}-${seed}` },
    options: { samples, maxNewTokens: 20, temperature: 0.9, topP: 0.8, seed, ...spec.options },
    toxicity: {
      scorer: { name: 'probe', revision: 'abc123' },
      ...toxicity,
      ...(spec.lexicon ? { others: [{ scorer: { name: 'lexicon', revision: '1.2.0' }, ...toxicityByLanguage(generations, hits) }] } : {}),
    },
    ...(spec.retrieval ? { retrieval: { languages: retrievalOf(languages, spec.retrieval) } } : {}),
  };
  spec.edit?.({ prompts, generations, scores, results });
  await writePromptsFile(join(folder, 'prompts.jsonl'), prompts);
  await writeGenerations(join(folder, 'generations.arrow'), generations);
  await writeScores(join(folder, 'scores.arrow'), scores);
  await writeAtomic(join(folder, 'eval.json'), JSON.stringify(results, null, 2));
  return folder;
}

function retrievalOf(
  languages: readonly string[],
  precision: (language: string) => number,
): NonNullable<EvalResults['retrieval']>['languages'] {
  return Object.fromEntries(
    languages
      .filter((language) => language !== 'en')
      .map((language) => {
        const best = precision(language);
        return [language, { precisionAt1: [best / 2, best], cosine: [0.2, 0.6], best, bestLayer: 1, mean: 0.75 * best }];
      }),
  );
}
