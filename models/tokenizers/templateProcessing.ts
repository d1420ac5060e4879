/** tokenizer.json's post-processor that puts a beginning-of-sequence token before a text and an end-of-sequence token behind it. */
export function templateProcessing(bos: readonly [string, number] | undefined, eos: readonly [string, number] | undefined): object {
  const around = (id: 'A' | 'B', type: number): object[] => [
    ...(bos ? [{ SpecialToken: { id: bos[0], type_id: type } }] : []),
    { Sequence: { id, type_id: type } },
    ...(eos ? [{ SpecialToken: { id: eos[0], type_id: type } }] : []),
  ];
  const used = [bos, eos].filter((token) => token !== undefined);
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(used.map(([token, id]) => [token, { id: token, ids: [id], tokens: [token] }])),
  };
}
