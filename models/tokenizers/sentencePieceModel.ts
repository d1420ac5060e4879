import { readFile } from 'node:fs/promises';
import { UserError } from '../../util/errors';
import { fileError } from '../../util/files';
import { charsmapLookup } from './charsmap';

/** What is used of SentencePiece's model file (sentencepiece_model.proto). */
const PROTO = `syntax = "proto2";
message ModelProto {
  message Piece { optional string piece = 1; optional float score = 2; optional int32 type = 3 [default = 1]; }
  message Trainer {
    optional int32 model_type = 3 [default = 1];
    optional bool treat_whitespace_as_suffix = 24;
    optional bool byte_fallback = 35;
    optional int32 unk_id = 40;
  }
  message Normalizer {
    optional bytes precompiled_charsmap = 2;
    optional bool add_dummy_prefix = 3 [default = true];
    optional bool remove_extra_whitespaces = 4 [default = true];
    optional bool escape_whitespaces = 5 [default = true];
  }
  repeated Piece pieces = 1;
  optional Trainer trainer_spec = 2;
  optional Normalizer normalizer_spec = 3;
}`;

export const UNIGRAM = 1;
export const BPE = 2;
/** Types of pieces. */
export const NORMAL = 1;
export const UNKNOWN = 2;
export const CONTROL = 3;
export const USER_DEFINED = 4;
export const UNUSED = 5;
export const BYTE = 6;

export interface SentencePieceModel {
  pieces: readonly { piece: string; score: number; type: number }[];
  /** 1 unigram, 2 BPE. */
  kind: number;
  byteFallback: boolean;
  unkId: number;
  /** Empty where text is taken as it is. */
  charsmap: Uint8Array;
  addDummyPrefix: boolean;
  removeExtraWhitespaces: boolean;
}

/** A model's pieces that text is cut into, with what each weighs. */
export interface TextPieces {
  /** By piece: its score and type. Control, unknown and byte pieces never match text. */
  known: ReadonlyMap<string, { score: number; type: number }>;
  /** Letters of the longest. */
  longest: number;
}

/**
 * Reads a SentencePiece `.model` file.
 * @throws UserError for a file that is none, or a model of another kind than unigram and BPE
 */
export async function readSentencePieceModel(path: string): Promise<SentencePieceModel> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError(error, 'read', path);
  });
  // loaded only now: few models come with such a file
  const { parse } = require('protobufjs') as typeof import('protobufjs');
  const type = parse(PROTO, { keepCase: true }).root.lookupType('ModelProto');
  let model;
  try {
    model = type.toObject(type.decode(bytes), { defaults: true }) as ModelProto;
  } catch (error) {
    throw new UserError(`${path}: not a SentencePiece model: ${(error as Error).message}`);
  }
  const broken = model.pieces.findIndex(({ piece, score }) => piece === '' || !Number.isFinite(score));
  if (broken >= 0) {
    const { piece, score } = model.pieces[broken];
    throw new UserError(
      `${path}: piece ${broken} is ${JSON.stringify(piece)} with the score ${score}; it must be text with a finite score`,
    );
  }
  // a message that is not there is null here
  const defaults = (name: string) => type.lookupType(name).toObject(type.lookupType(name).create(), { defaults: true });
  const trainer = model.trainer_spec ?? (defaults('Trainer') as Trainer);
  const normalizer = model.normalizer_spec ?? (defaults('Normalizer') as Normalizer);
  if (model.pieces.length === 0) throw new UserError(`${path}: not a SentencePiece model: it holds no pieces`);
  if (trainer.model_type !== UNIGRAM && trainer.model_type !== BPE)
    throw new UserError(`${path}: model_type is ${trainer.model_type}; ${UNIGRAM} (unigram) and ${BPE} (BPE) can be read`);
  if (trainer.treat_whitespace_as_suffix || !normalizer.escape_whitespaces)
    throw new UserError(`${path}: treat_whitespace_as_suffix and unescaped spaces cannot be read`);
  if (trainer.unk_id < 0 || trainer.unk_id >= model.pieces.length)
    throw new UserError(`${path}: unk_id is ${trainer.unk_id}; it must be a piece's id below ${model.pieces.length}`);
  try {
    if (normalizer.precompiled_charsmap.length > 0) charsmapLookup(normalizer.precompiled_charsmap);
  } catch (error) {
    throw new UserError(`${path}: ${(error as Error).message}`);
  }
  return {
    pieces: model.pieces,
    kind: trainer.model_type,
    byteFallback: trainer.byte_fallback,
    unkId: trainer.unk_id,
    charsmap: normalizer.precompiled_charsmap,
    addDummyPrefix: normalizer.add_dummy_prefix,
    removeExtraWhitespaces: normalizer.remove_extra_whitespaces,
  };
}

interface ModelProto {
  pieces: { piece: string; score: number; type: number }[];
  trainer_spec: Trainer | null;
  normalizer_spec: Normalizer | null;
}

interface Trainer {
  model_type: number;
  treat_whitespace_as_suffix: boolean;
  byte_fallback: boolean;
  unk_id: number;
}

interface Normalizer {
  precompiled_charsmap: Uint8Array;
  add_dummy_prefix: boolean;
  remove_extra_whitespaces: boolean;
  escape_whitespaces: boolean;
}
