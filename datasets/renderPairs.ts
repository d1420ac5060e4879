import { loadChatTemplate, type ChatTemplate } from '../models/chatTemplate';
import { dayStart } from '../util/calendarDay';
import { UserError } from '../util/errors';
import type { ConversationPair, PreferencePair, ReadPair, RenderedPair } from './types';

interface RenderOptions {
  modelFolder: string;
  applyChatTemplate: boolean;
  templateDay?: string;
  source: string;
}

/**
 * Writes conversations out with the model's chat template, as TRL 1.16's DPOTrainer does it: the prompt with what starts an assistant's turn, and
 * prompt and completion as one conversation. Pairs of texts stay as they are, or become a user's and an assistant's turn.
 * @param options `source`: where the pairs come from, for messages. `templateDay`: the day that the template writes, `YYYY-MM-DD`, by default today
 * @throws UserError where the model has no template, or for the pair (from 1) that the template refuses
 */
export async function renderPairs(
  pairs: readonly ReadPair[],
  { modelFolder, applyChatTemplate, templateDay, source }: RenderOptions,
): Promise<readonly (PreferencePair | RenderedPair)[]> {
  if (!applyChatTemplate && pairs.every(isText)) return pairs;
  const template = await loadChatTemplate(modelFolder, dayStart(templateDay));
  return pairs.map((pair, i) => {
    if (!isText(pair)) return rendered(template, pair, `${source}: pair ${i + 1}`);
    return applyChatTemplate ? rendered(template, asTurns(pair), `${source}: pair ${i + 1}`) : pair;
  });
}

function isText(pair: ReadPair): pair is PreferencePair {
  return typeof pair.prompt === 'string';
}

function asTurns({ prompt, chosen, rejected }: PreferencePair): ConversationPair {
  const turn = (role: string, content: string) => [{ role, content }];
  return { prompt: turn('user', prompt), chosen: turn('assistant', chosen), rejected: turn('assistant', rejected) };
}

function rendered(
  template: ChatTemplate,
  { prompt, chosen, rejected, tools, templateVariables }: ConversationPair,
  place: string,
): RenderedPair {
  const options = { tools, variables: templateVariables };
  try {
    const pair = {
      prompt: template.render(prompt, { ...options, generationPrompt: true }),
      promptChosen: template.render([...prompt, ...chosen], options),
      promptRejected: template.render([...prompt, ...rejected], options),
    };
    if (pair.promptChosen !== pair.promptRejected) return pair;
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${place}: ${error.message}`) : error;
  }
  throw new UserError(`${place}: the chat template writes chosen and rejected alike; a pair needs two different completions`);
}
