import { UserError } from './errors';
import { parseJson, readText } from './files';

/** One object of a JSONL file and the line (from 1) that it stands on. */
export interface JsonLine {
  line: number;
  value: Readonly<Record<string, unknown>>;
}

/**
 * Reads a file of one JSON object a line; blank lines are passed over.
 * @throws UserError naming file and line of what is no JSON object
 */
export async function readJsonLines(path: string): Promise<JsonLine[]> {
  const result: JsonLine[] = [];
  for (const [index, text] of (await readText(path)).split('\n').entries()) {
    if (text.trim() === '') continue;
    const line = index + 1;
    const value = parseJson(text, `${path}:${line}`);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new UserError(`${path}:${line}: expected a JSON object, found ${Array.isArray(value) ? 'an array' : JSON.stringify(value)}`);
    result.push({ line, value: value as Record<string, unknown> });
  }
  return result;
}

/**
 * A text field of a JSONL object.
 * @throws UserError naming file, line and field where it is missing, no text, or blank
 */
export function textField(path: string, { line, value }: JsonLine, field: string): string {
  const text = value[field];
  if (typeof text !== 'string' || text.trim() === '') {
    const found = text === undefined ? `found only ${Object.keys(value).join(', ') || 'nothing'}` : `found ${JSON.stringify(text)}`;
    throw new UserError(`${path}:${line}: expected "${field}" with text; ${found}`);
  }
  return text;
}
