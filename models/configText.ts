/** `"name": 30.0`; strings are matched first, so that nothing inside one is taken for a field. */
const FIELD = /"((?:[^"\\]|\\.)*)"(?:\s*:\s*(-?\d[\d.eE+-]*))?/g;

/** Names of the fields of a JSON text whose value is written as a float though it is whole: `30.0`, `1e6`. */
export function floatFields(json: string): string[] {
  const written = [...json.matchAll(FIELD)].filter(
    ([, , value]) => value !== undefined && /[.eE]/.test(value) && Number.isInteger(Number(value)),
  );
  return [...new Set(written.map(([, name]) => name))];
}

/** JSON, indented by 2, in which whole numbers of the named fields are written as floats (`30.0`). */
export function jsonText(json: unknown, floats: readonly string[] = []): string {
  const named = new Set(floats);
  const text = JSON.stringify(json, null, 2).replace(
    /^(\s*"((?:[^"\\]|\\.)*)": -?\d+)(,?)$/gm,
    (line, start: string, name: string, comma: string) => (named.has(name) ? `${start}.0${comma}` : line),
  );
  return `${text}\n`;
}
