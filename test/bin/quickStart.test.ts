import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const bin = join(__dirname, '../../dist/bin');
const preload =
  "import Module from 'node:module'; process.on('exit', () => process.stderr.write(Object.keys(Module._cache).join(String.fromCharCode(10))))";

/** The files that a command has loaded when it ends. */
function loaded(name: string, ...args: string[]): string[] {
  const { stderr } = spawnSync(process.execPath, ['--import', `data:text/javascript,${preload}`, join(bin, `${name}.js`), ...args], {
    encoding: 'utf8',
  });
  return stderr.split('\n').map((path) => path.replaceAll('\\', '/'));
}

test.each(['dpo-train', 'dpo-eval', 'dpo-compare', 'dpo-import', 'dpo-estimate'])(
  '%s --help loads no engine, no Arrow, no charts and none of the languages that zod speaks',
  (name) => {
    const files = loaded(name, '--help');
    expect(files.some((file) => file.endsWith(`/dist/bin/${name}.js`))).toBe(true);
    const heavy = /node_modules\/(@tensorflow|@huggingface|apache-arrow|echarts|protobufjs|cli-progress|yaml)\//;
    expect(files.filter((file) => heavy.test(file))).toEqual([]);
    const languages = files.filter((file) => /zod\/v4\/locales\/(?!index|en)/.test(file));
    expect(languages).toEqual([]);
  },
);

test('without the languages a wrong value is still explained in English', () => {
  const { stderr } = spawnSync(
    process.execPath,
    [join(bin, 'dpo-train.js'), '--beta', '-1', ...['--model', 'a', '--train', 'b', '--output', 'c']],
    {
      encoding: 'utf8',
    },
  );
  expect(stderr).toBe('error: --beta is -1: must be more than 0\n');
});
