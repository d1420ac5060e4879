import { byteCount } from '../../util/byteCount';

test.each([
  ['5GB', 5e9],
  ['500 MB', 5e8],
  ['2GiB', 2 ** 31],
  ['1.5kb', 1500],
  ['123', 123],
  ['', undefined],
  ['0', undefined],
  ['-1GB', undefined],
  ['5 G', undefined],
  ['1e3', undefined],
  ['99999999TB', undefined],
])('%s', (text, bytes) => {
  expect(byteCount(text)).toBe(bytes);
});
