import { markdownTable, replaceSection } from '../../bench/markdown';
import { shown, shownBytes } from '../../bench/summary';

test('a table escapes bars', () => {
  expect(markdownTable(['a', 'b'], [['x|y', '1']])).toBe('| a | b |\n| --- | --- |\n| x\\|y | 1 |');
});

test('a section is replaced between its markers, the text around it stays', () => {
  const text =
    '# Speed\n\nBy hand.\n\n<!-- bench: one -->\n\nold\n\n<!-- /bench -->\n\nMore.\n\n<!-- bench: two -->\n\nkept\n\n<!-- /bench -->\n';
  expect(replaceSection(text, 'one', 'new')).toBe(text.replace('old', 'new'));
  expect(replaceSection(text, 'two', 'new')).toBe(text.replace('kept', 'new'));
});

test('a section that is not there is added at the end', () => {
  const text = replaceSection('# Speed\n', 'one', 'new');
  expect(text).toBe('# Speed\n\n## one\n\n<!-- bench: one -->\n\nnew\n\n<!-- /bench -->\n');
  expect(replaceSection(text, 'one', 'newer')).toBe(text.replace('new', 'newer'));
});

test('a section without an end is refused', () => {
  expect(() => replaceSection('<!-- bench: one -->\n', 'one', 'new')).toThrow('has no end');
});

test('three digits, no exponent', () => {
  expect([1234.5, 99.96, 1.2345, 0.01234, 0, NaN].map(shown)).toEqual(['1230', '100.0', '1.23', '0.0123', '0', '–']);
  expect([2 ** 20, 1.5 * 2 ** 30].map(shownBytes)).toEqual(['1.00 MiB', '1.50 GiB']);
});
