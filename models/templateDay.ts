import { UserError } from '../util/errors';
import { dayOf, dayStart } from '../util/calendarDay';
import { templateReadsDate } from './chatTemplate';

/**
 * The day that a run's chat template writes where it calls `strftime_now` (Llama 3.2 begins with it): fixed when the run starts, since another day gives
 * other tokens than the ones that its caches and checkpoints belong to.
 * @param options `asked`: the day that the user names; `before`: that of the run which this one goes on with
 * @param say told of a day that nobody chose
 * @returns undefined where the model's template reads no date
 * @throws UserError for a day that is asked for and would be written nowhere
 */
export async function templateDay(
  modelFolder: string,
  { asked, before }: { asked?: string; before?: unknown },
  say: (line: string) => void,
): Promise<string | undefined> {
  if (!(await templateReadsDate(modelFolder))) {
    if (asked !== undefined)
      throw new UserError(
        `--chat-template-date is ${asked}: the chat template of ${modelFolder} writes no date (or there is none); leave it out`,
      );
    return undefined;
  }
  const known = asked ?? (typeof before === 'string' && dayStart(before) ? before : undefined);
  if (known !== undefined) return known;
  const today = dayOf(new Date());
  say(`the chat template writes the date: ${today} (--chat-template-date sets it)`);
  return today;
}
