import { lengthBatches } from '../../eval/lengthBatches';

test('longest first, equal ones in their order, as many rows as fit', () => {
  expect(lengthBatches([3, 5, 0, 3, 1, 12], 1, 8)).toEqual([[5], [1, 0], [3, 4]]);
});

test('short ones are left out', () => {
  expect(lengthBatches([1, 2, 0, 3], 2, 100)).toEqual([[3, 1]]);
  expect(lengthBatches([1, 0], 2, 100)).toEqual([]);
});
