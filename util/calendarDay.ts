import { z } from 'zod';

/** A day as options name it: `2026-11-26`. */
export const calendarDay = z.string().refine((text) => dayStart(text) !== undefined, 'must be a day such as 2026-11-26');

/** The first moment of a day in local time, or undefined where there is none or the text names none. @param day `YYYY-MM-DD` */
export function dayStart(day: string | undefined): Date | undefined {
  const found = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day ?? '');
  if (!found) return undefined;
  const [year, month, date] = found.slice(1).map(Number);
  const start = new Date(2000, month - 1, date);
  // years below 100 would be taken for 19xx
  start.setFullYear(year, month - 1, date);
  return start.getMonth() === month - 1 && start.getDate() === date ? start : undefined;
}

/** The day of a moment in local time, as `YYYY-MM-DD`. */
export function dayOf(moment: Date): string {
  const padded = (value: number, width = 2): string => String(value).padStart(width, '0');
  return `${padded(moment.getFullYear(), 4)}-${padded(moment.getMonth() + 1)}-${padded(moment.getDate())}`;
}
