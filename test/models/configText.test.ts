import { floatFields, jsonText } from '../../models/configText';

const source = `{"a": 30.0, "b": 30, "c": {"d": -1.00, "e": 1.5, "f": 2.0e5}, "g": "\\"h\\": 3.0", "list": [1.0]}`;

test('whole floats are found by name, and nowhere else', () => {
  expect(floatFields(source)).toEqual(['a', 'd', 'f']);
});

test('they are written as floats again', () => {
  const text = jsonText(JSON.parse(source), floatFields(source));
  expect(JSON.parse(text)).toEqual(JSON.parse(source));
  expect(text).toContain('"a": 30.0,');
  expect(text).toContain('"d": -1.0,');
  expect(text).toContain('"b": 30,');
  expect(text).toContain('"f": 200000.0\n');
});
