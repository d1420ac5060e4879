import { UserError } from '../../util/errors';
import { byteSource, type ByteSource } from './byteSource';
import { LENGTH_BYTES, OP } from './opcodes';
import { describeValue, isKind, type PickleValue } from './pickleValue';

/** What the names in a pickle mean. Nothing else is ever called: a pickle is data to us, not a program. */
export interface PickleHost {
  /** `module name` of each Python object that may be named → what calling it gives; null for one that may be named alone. */
  globals: ReadonlyMap<string, ((args: readonly PickleValue[]) => PickleValue) | null>;
  /** The object behind a persistent id. */
  persistent(id: PickleValue): PickleValue;
}

/** The file ended inside a pickle: with more of its bytes the same call may succeed. */
export class PickleEndError extends UserError {}

const HIGHEST_PROTOCOL = 5;
/** In bytes; longer ones are no sizes. */
const LONGEST_INTEGER = 256;

/**
 * Reads one pickle without running anything from it: names outside the host's list are refused, the names on it mean what the host
 * says, and no opcode does more than build lists, tuples and dictionaries.
 * @param place the file, in front of every message
 * @param start the pickle's first byte
 * @returns the value and the byte after the pickle
 * @throws UserError naming the byte, the opcode or the Python object that is refused; `PickleEndError` where the bytes end too early
 */
export function unpickle(bytes: Uint8Array, host: PickleHost, place: string, start = 0): { value: PickleValue; end: number } {
  const source = byteSource(bytes, start, (at) => new PickleEndError(`${place}: truncated: the pickle goes on after byte ${at}`));
  const machine: Machine = { source, host, stack: [], marks: [], memo: new Map(), fail: (what) => new UserError(`${place}: ${what}`) };
  for (;;) {
    const at = source.position();
    const opcode = source.byte();
    if (opcode === OP.STOP) return { value: pop(machine), end: source.position() };
    step(machine, opcode, at);
  }
}

interface Machine {
  source: ByteSource;
  host: PickleHost;
  stack: PickleValue[];
  /** Stacks set aside by MARK. */
  marks: PickleValue[][];
  memo: Map<number, PickleValue>;
  fail: (what: string) => UserError;
}

function step(machine: Machine, opcode: number, at: number): void {
  const { source, stack, memo, host, fail } = machine;
  const push = (value: PickleValue): number => machine.stack.push(value);
  switch (opcode) {
    case OP.PROTO: {
      const protocol = source.byte();
      if (protocol > HIGHEST_PROTOCOL) throw fail(`pickle protocol ${protocol} at byte ${at}; 0 to ${HIGHEST_PROTOCOL} can be read`);
      return;
    }
    case OP.FRAME:
      source.length(8);
      return;
    case OP.MARK:
      machine.marks.push(stack);
      machine.stack = [];
      return;
    case OP.POP:
      pop(machine);
      return;
    case OP.POP_MARK:
      popMark(machine);
      return;
    case OP.DUP:
      push(top(machine));
      return;
    case OP.NONE:
      push(null);
      return;
    case OP.NEWTRUE:
    case OP.NEWFALSE:
      push(opcode === OP.NEWTRUE);
      return;
    case OP.BININT:
      push(source.int32());
      return;
    case OP.BININT1:
      push(source.byte());
      return;
    case OP.BININT2:
      push(source.length(2));
      return;
    case OP.LONG1:
    case OP.LONG4:
      push(longValue(machine, source.take(source.length(opcode === OP.LONG1 ? 1 : 4)), at));
      return;
    case OP.BINFLOAT:
      push(source.float64());
      return;
    case OP.BINUNICODE:
    case OP.SHORT_BINUNICODE:
    case OP.BINUNICODE8:
    case OP.BINSTRING:
    case OP.SHORT_BINSTRING:
      push(Buffer.from(source.take(source.length(LENGTH_BYTES[opcode]))).toString('utf8'));
      return;
    case OP.BINBYTES:
    case OP.SHORT_BINBYTES:
    case OP.BINBYTES8:
      push(source.take(source.length(LENGTH_BYTES[opcode])));
      return;
    case OP.EMPTY_LIST:
      push({ kind: 'list', items: [] });
      return;
    case OP.EMPTY_TUPLE:
      push({ kind: 'tuple', items: [] });
      return;
    case OP.EMPTY_DICT:
      push({ kind: 'dict', entries: new Map() });
      return;
    case OP.TUPLE:
      push({ kind: 'tuple', items: popMark(machine) });
      return;
    case OP.TUPLE1:
    case OP.TUPLE2:
    case OP.TUPLE3: {
      const size = opcode - OP.TUPLE1 + 1;
      if (stack.length < size) throw fail(`damaged pickle: nothing to take at byte ${at}`);
      push({ kind: 'tuple', items: stack.splice(stack.length - size) });
      return;
    }
    case OP.APPEND: {
      const item = pop(machine);
      append(machine, [item], at);
      return;
    }
    case OP.APPENDS:
      append(machine, popMark(machine), at);
      return;
    case OP.SETITEM: {
      const value = pop(machine);
      const key = pop(machine);
      setItems(machine, top(machine), [key, value], at);
      return;
    }
    case OP.SETITEMS: {
      const items = popMark(machine);
      setItems(machine, top(machine), items, at);
      return;
    }
    case OP.BINPUT:
    case OP.LONG_BINPUT:
      memo.set(source.length(opcode === OP.BINPUT ? 1 : 4), top(machine));
      return;
    case OP.MEMOIZE:
      memo.set(memo.size, top(machine));
      return;
    case OP.BINGET:
    case OP.LONG_BINGET:
      push(remembered(machine, source.length(opcode === OP.BINGET ? 1 : 4), at));
      return;
    case OP.GLOBAL: {
      const module = source.line();
      push(globalNamed(machine, `${module} ${source.line()}`, at));
      return;
    }
    case OP.STACK_GLOBAL: {
      const name = pop(machine);
      const module = pop(machine);
      if (typeof name !== 'string' || typeof module !== 'string') throw fail(`damaged pickle: a name that is no text at byte ${at}`);
      push(globalNamed(machine, `${module} ${name}`, at));
      return;
    }
    case OP.REDUCE: {
      const args = pop(machine);
      const callee = pop(machine);
      push(call(machine, callee, args, at));
      return;
    }
    case OP.BUILD: {
      // attributes of a dictionary (a state dict's _metadata) have no effect on what it holds
      pop(machine);
      const target = top(machine);
      if (!isKind(target, 'dict')) throw fail(`damaged pickle: sets attributes of ${describeValue(target)} at byte ${at}, which has none`);
      return;
    }
    case OP.BINPERSID: {
      push(host.persistent(pop(machine)));
      return;
    }
    default:
      throw fail(
        `not a pickle of weights: opcode 0x${opcode.toString(16).padStart(2, '0')} at byte ${at}; only opcodes of plain data and tensors are allowed`,
      );
  }
}

function pop({ stack, fail, source }: Machine): PickleValue {
  if (stack.length === 0) throw fail(`damaged pickle: nothing to take at byte ${source.position()}`);
  return stack.pop()!;
}

function top({ stack, fail, source }: Machine): PickleValue {
  if (stack.length === 0) throw fail(`damaged pickle: nothing to take at byte ${source.position()}`);
  return stack[stack.length - 1];
}

/** What was pushed since the last MARK; the stack set aside then comes back. */
function popMark(machine: Machine): PickleValue[] {
  const before = machine.marks.pop();
  if (!before) throw machine.fail(`damaged pickle: no mark to go back to at byte ${machine.source.position()}`);
  const items = machine.stack;
  machine.stack = before;
  return items;
}

function append(machine: Machine, items: readonly PickleValue[], at: number): void {
  const list = top(machine);
  if (!isKind(list, 'list')) throw machine.fail(`damaged pickle: adds to ${describeValue(list)} at byte ${at}, which is no list`);
  for (const item of items) list.items.push(item);
}

function setItems(machine: Machine, target: PickleValue, items: readonly PickleValue[], at: number): void {
  if (!isKind(target, 'dict'))
    throw machine.fail(`damaged pickle: sets items of ${describeValue(target)} at byte ${at}, which is no dictionary`);
  if (items.length % 2 !== 0) throw machine.fail(`damaged pickle: a key without a value at byte ${at}`);
  for (let i = 0; i < items.length; i += 2) target.entries.set(items[i], items[i + 1]);
}

function remembered({ memo, fail }: Machine, index: number, at: number): PickleValue {
  const value = memo.get(index);
  if (value === undefined) throw fail(`damaged pickle: byte ${at} asks for value ${index}, which was not stored`);
  return value;
}

function globalNamed({ host, fail }: Machine, name: string, at: number): PickleValue {
  if (host.globals.has(name)) return { kind: 'global', name };
  const list = [...host.globals.keys()].map((allowed) => allowed.replace(' ', '.')).join(', ');
  throw fail(
    `asks for the Python object ${JSON.stringify(name.replace(' ', '.').slice(0, 120))} at byte ${at}, which is refused; allowed are ${list}`,
  );
}

function call({ host, fail }: Machine, callee: PickleValue, args: PickleValue, at: number): PickleValue {
  const make = isKind(callee, 'global') ? host.globals.get(callee.name) : undefined;
  if (!make) throw fail(`damaged pickle: calls ${describeValue(callee)} at byte ${at}, which cannot be called`);
  if (!isKind(args, 'tuple')) throw fail(`damaged pickle: calls ${describeValue(callee)} at byte ${at} with ${describeValue(args)}`);
  return make(args.items);
}

/** A little-endian two's complement integer; a number where it is exact. */
function longValue({ fail }: Machine, bytes: Uint8Array, at: number): number | bigint {
  if (bytes.length === 0) return 0;
  if (bytes.length > LONGEST_INTEGER) throw fail(`damaged pickle: an integer of ${bytes.length} bytes at byte ${at}`);
  const hex = Buffer.from(bytes).reverse().toString('hex');
  const value = BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`));
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
