import { alibiSlopes } from '../../../engine/ops/alibi';

test.each([
  [1, [2 ** -8]],
  [2, [2 ** -4, 2 ** -8]],
  [4, [0.25, 0.0625, 0.015625, 0.00390625]],
  // the lower power's four, then the first and third of eight
  [6, [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]],
])('slopes of %d heads', (heads, slopes) => {
  expect(alibiSlopes(heads)).toEqual(slopes);
});
