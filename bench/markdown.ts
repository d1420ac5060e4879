import { existsSync } from 'node:fs';
import { readText, writeAtomic } from '../util/files';

/** A table in Markdown. Cells must hold no line breaks; bars are escaped. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const START = (name: string): string => `<!-- bench: ${name} -->`;
const END = '<!-- /bench -->';

/**
 * Puts `content` between a section's markers; the text around stays as it is. A section that is not there yet is added at the end, under a
 * heading of its name.
 */
export function replaceSection(text: string, name: string, content: string): string {
  const start = text.indexOf(START(name));
  if (start < 0) return `${text.trimEnd()}\n\n## ${name}\n\n${START(name)}\n\n${content}\n\n${END}\n`;
  const end = text.indexOf(END, start);
  if (end < 0) throw new Error(`the section "${name}" has no end: ${END} is missing`);
  return `${text.slice(0, start)}${START(name)}\n\n${content}\n\n${text.slice(end)}`;
}

/** Replaces a section of a file, which need not be there yet. @throws UserError where it cannot be read or written */
export async function writeSection(path: string, name: string, content: string): Promise<void> {
  const before = existsSync(path) ? await readText(path) : '';
  const prettier = await import('prettier');
  const options = await prettier.resolveConfig(path);
  await writeAtomic(path, await prettier.format(replaceSection(before, name, content), { ...options, parser: 'markdown' }));
}
