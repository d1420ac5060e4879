import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { readTorchFile } from '../../../models/pickle/readTorchFile';
import { UserError } from '../../../util/errors';

const goldens = join(__dirname, '..', '..', 'goldens', 'torch');
type Expected = Record<string, Record<string, { dtype: string; shape: number[]; values: (number | null)[] }>>;
const expected = JSON.parse(readFileSync(join(goldens, 'expected.json'), 'utf8')) as Expected;
const FILES = Object.keys(expected).flatMap((name) => [`${name}.zip.bin`, `${name}.legacy.bin`]);
const SAFETENSORS_NAMES: Record<string, string> = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  float64: 'F64',
  bool: 'BOOL',
};

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'torch-'));
  path = join(folder, 'pytorch_model.bin');
});
afterEach(() => rm(folder, { recursive: true }));

/** Opens a file and reads all its floating tensors. */
async function readAll(file: string): Promise<Map<string, Float32Array>> {
  const torchFile = await readTorchFile(file);
  try {
    const values = new Map<string, Float32Array>();
    for (const [name, { dtype }] of torchFile.entries)
      if (['F32', 'F16', 'BF16'].includes(dtype)) values.set(name, await torchFile.read(name));
    return values;
  } finally {
    await torchFile.close();
  }
}

/** A legacy file around one pickle of a state dict: its opcodes, protocol and STOP left out. */
function legacy(opcodes: string): Buffer {
  const pickle = (body: string) => `\x80\x02${body}.`;
  const magic = '\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19';
  return Buffer.from([magic, 'M\xe9\x03', '}', opcodes, ']'].map(pickle).join(''), 'latin1');
}

async function refusal(bytes: Uint8Array): Promise<string> {
  await writeFile(path, bytes);
  const error = await readAll(path).then(
    () => new Error('accepted'),
    (reason: Error) => reason,
  );
  expect([error.message, error instanceof UserError]).toEqual([error.message, true]);
  expect(error.message.startsWith(`${path}: `)).toBe(true);
  return error.message.slice(path.length + 2);
}

describe('what torch.save wrote', () => {
  test.each(FILES)('%s: every tensor, its type, shape and values', async (file) => {
    const wanted = expected[file.split('.')[0]];
    const torchFile = await readTorchFile(join(goldens, file));
    expect([...torchFile.entries.keys()]).toEqual(Object.keys(wanted));
    for (const [name, { dtype, shape, values }] of Object.entries(wanted)) {
      const entry = torchFile.entries.get(name)!;
      expect([name, entry.dtype, entry.shape]).toEqual([name, SAFETENSORS_NAMES[dtype], shape]);
      if (['F32', 'F16', 'BF16'].includes(entry.dtype)) {
        // NaN is null in JSON
        expect([name, [...(await torchFile.read(name))]]).toEqual([name, values.map((value) => value ?? NaN)]);
      } else {
        await expect(torchFile.read(name)).rejects.toThrow(`tensor ${name} is stored as ${entry.dtype}; readable are F32, F16, BF16`);
      }
    }
    await expect(torchFile.read('no')).rejects.toThrow('holds no tensor no');
    await torchFile.close();
  });

  test.each(['module.zip.bin', 'module.legacy.bin'])('%s: tied weights share a place, others do not', async (file) => {
    const { entries, close } = await readTorchFile(join(goldens, file));
    const places = [...entries.values()].map(({ place }) => place);
    expect([...entries.keys()]).toEqual(['mask', 'wte.weight', 'head.weight']);
    expect([places[1] === places[2], places[0] === places[1]]).toEqual([true, false]);
    await close();
  });
});

describe('what is refused', () => {
  test.each([
    ['a function to run', 'cposix\nsystem\nX\x04\x00\x00\x00true\x85R', 'asks for the Python object "posix.system" at byte'],
    ['a builtin through STACK_GLOBAL', 'X\x08\x00\x00\x00builtinsX\x04\x00\x00\x00eval\x93', 'asks for the Python object "builtins.eval"'],
    ['a method of an allowed object', 'ccollections\nOrderedDict.fromkeys\n', '"collections.OrderedDict.fromkeys"'],
    ['a name on the prototype', 'c__proto__\nconstructor\n', '"__proto__.constructor"'],
    ['an instance', '(ios\nPopen\n', 'opcode 0x69 at byte'],
    ['a new object', ')\x81', 'opcode 0x81 at byte'],
    ['an extension code', '\x82\x01', 'opcode 0x82 at byte'],
    ['a list called', '])R', 'calls a list at byte'],
    ['a storage class called', 'ctorch\nFloatStorage\n)R', 'calls torch.FloatStorage at byte'],
    ['attributes of a list', ']}b', 'sets attributes of a list'],
    ['a value not stored', 'h\x07', 'asks for value 7, which was not stored'],
    ['an empty stack', 's', 'nothing to take'],
    ['no mark', 't', 'no mark to go back to'],
    ['no state dict', 'K\x05', "holds the number 5; it must be a model's state dict"],
    ['a wrapped one', '}X\x05\x00\x00\x00model}s', 'holds no tensor at its top (its keys: "model")'],
    ['a storage of no known class', '(X\x07\x00\x00\x00storageK\x01tQ', "the number 1 in place of a storage's type"],
  ])('%s', async (_, opcodes, wanted) => {
    expect(await refusal(legacy(opcodes))).toContain(wanted);
  });

  const FLOATS = '(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04NtQ';
  const tensor = (offset: string, shape: string, strides: string) =>
    `}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n(${FLOATS}${offset}(${shape}t(${strides}t\x89ccollections\nOrderedDict\n)RtRs`;
  test.each([
    ['beyond its storage', tensor('K\x01', 'K\x04', 'K\x01'), 'a tensor [4] reaches value 4 of storage 0, which has 4'],
    ['with a negative stride', tensor('K\x00', 'K\x04', 'J\xff\xff\xff\xff'), 'not whole numbers of 0 or more'],
    ['with a stride too few', tensor('K\x00', 'K\x02K\x02', 'K\x01'), 'a stride for each size'],
    ['whose storage is not there', tensor('K\x00', 'K\x04', 'K\x01'), 'tensor w: its storage 0 is not in the file'],
  ])('a tensor %s', async (_, opcodes, wanted) => {
    expect(await refusal(legacy(opcodes))).toContain(wanted);
  });

  test('files that are something else, cut off or too long', async () => {
    expect(await refusal(Buffer.alloc(0))).toContain('not a PyTorch checkpoint');
    expect(await refusal(Buffer.from('version https://git-lfs'))).toContain('begins with "vers"');
    expect(await refusal(Buffer.from('\x80\x02K\x05.', 'latin1'))).toContain("without PyTorch's magic number");
    const old = await readFile(join(goldens, 'module.legacy.bin'));
    expect(await refusal(old.subarray(0, 100))).toContain('truncated: the pickle goes on after byte 100');
    expect(await refusal(old.subarray(0, old.length - 3))).toContain('truncated: storage');
    const zip = await readFile(join(goldens, 'module.zip.bin'));
    expect(await refusal(zip.subarray(0, zip.length - 30))).toContain('not a PyTorch checkpoint that can be read');
    await expect(readTorchFile(join(folder, 'none.bin'))).rejects.toThrow(UserError);
  });
});

describe('damaged files end in one clear message or in values, never in anything else', () => {
  const originals = FILES.map((name) => readFileSync(join(goldens, name)));
  const survives = async (bytes: Uint8Array): Promise<void> => {
    await writeFile(path, bytes);
    try {
      for (const values of (await readAll(path)).values()) expect(values).toBeInstanceOf(Float32Array);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      expect(error.message.startsWith(`${path}: `)).toBe(true);
      expect(error.message).not.toContain('\n');
    }
  };

  test('bytes changed', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...originals),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 }),
        async (original, changes) => {
          const bytes = Uint8Array.from(original);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          await survives(bytes);
        },
      ),
      { seed: 1, numRuns: 300 },
    ));

  test('cut off, and pieces repeated', () =>
    fc.assert(
      fc.asyncProperty(fc.constantFrom(...originals), fc.nat(), fc.nat(), async (original, a, b) => {
        const [from, to] = [a % (original.length + 1), b % (original.length + 1)];
        await survives(original.subarray(0, from));
        await survives(Buffer.concat([original.subarray(0, to), original.subarray(Math.min(from, to))]));
      }),
      { seed: 2, numRuns: 60 },
    ));

  test('pickles of random opcodes', () => {
    const opcode = fc.constantFrom(...'(.012GJKMNQRTUX]abc}ehjqrst)uBC\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x93\x94\x95');
    const piece = fc.oneof(
      opcode,
      fc.constantFrom('K\x01', 'X\x01\x00\x00\x00w', 'ctorch._utils\n_rebuild_tensor_v2\n', 'ccollections\nOrderedDict\n'),
    );
    return fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 60 }), (pieces) => survives(legacy(pieces.join('')))),
      { seed: 3, numRuns: 300 },
    );
  });
});
