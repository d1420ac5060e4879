/** What is used of @huggingface/jinja, whose own types resolve under ES modules alone. */
interface Library {
  Environment: new () => JinjaEnvironment;
  Interpreter: new (environment: JinjaEnvironment) => { run(program: JinjaProgram): { value: string } };
  tokenize(text: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }): unknown;
  parse(tokens: unknown): JinjaProgram;
}
export interface JinjaEnvironment {
  /** Declares a variable; gives the library's own form of its value. */
  set(name: string, value: unknown): Value;
}
export type JinjaProgram = Readonly<Record<'body', unknown>>;
interface Value {
  value: unknown;
  builtins: Map<string, Value>;
}

export const jinja = require('@huggingface/jinja') as Library;

const ENDS: Readonly<Record<string, readonly [start: boolean, end: boolean]>> = {
  strip: [true, true],
  lstrip: [true, false],
  rstrip: [false, true],
};

/** Python's `strip`, `lstrip` and `rstrip` with the letters to strip; white space when none are given. */
function strip(text: string, [start, end]: readonly [boolean, boolean], letters: unknown): string {
  const strips = typeof letters === 'string' ? (letter: string) => letters.includes(letter) : (letter: string) => letter.trim() === '';
  const all = [...text];
  let [from, to] = [0, all.length];
  while (start && from < to && strips(all[from])) from++;
  while (end && to > from && strips(all[to - 1])) to--;
  return all.slice(from, to).join('');
}

/**
 * The library's `strip` methods ignore their argument (0.5.11): Qwen 3's template, which strips line breaks alone, would lose the spaces before
 * an answer. Its classes are not exported, but their instances have them.
 */
function mendStrip(): void {
  const environment = new jinja.Environment();
  const StringValue = environment.set('text', '').constructor as { new (text: string): Value; prototype: Value };
  const FunctionValue = environment.set('function', () => null).constructor as new (call: (values: Value[]) => Value) => Value;
  const { get } = Object.getOwnPropertyDescriptor(StringValue.prototype, 'builtins')!;
  const mended = new WeakSet<object>();
  Object.defineProperty(StringValue.prototype, 'builtins', {
    configurable: true,
    get(this: Value) {
      const builtins = get!.call(this) as Map<string, Value>;
      if (mended.has(builtins)) return builtins;
      for (const [name, ends] of Object.entries(ENDS))
        builtins.set(name, new FunctionValue(([letters]) => new StringValue(strip(String(this.value), ends, letters?.value))));
      mended.add(builtins);
      return builtins;
    },
  });
}
mendStrip();
