/** Lines of JSON between a sandbox of level L0 and its child process. */
import { sandboxCeilings } from '@labmesh/wire/verification/sandbox';
import { z } from 'zod';

const mib = 1024 * 1024;
export const wasmLimits = {
  /** WebAssembly memory of a job: code, heap and stack of the engine together. */
  memoryBytes: 32 * mib,
  /** Of the engine's own count; what it takes of the host's stack is several times that. */
  stackBytes: 256 * 1024,
  /** Time beyond a job's `wallMs` until the child itself is ended: some built-in functions cannot be interrupted. */
  graceMs: 250,
  /** A job or an answer as a line. */
  lineBytesMax: 64 * mib,
  /** Of code, stdin and files together; they stand in the job's memory as well. */
  inputBytesMax: 8 * mib,
  startMs: 20_000,
} as const;

export type WasmJob = {
  code: string;
  /** UTF-8 text, as the global `stdin`. */
  stdin: string;
  /** Texts by path, as the global `files`. */
  files: Record<string, string>;
  env: Record<string, string>;
  /** At most `wasmLimits.memoryBytes`. */
  memoryBytes: number;
  wallMs: number;
  /** Of the child's process while it runs the job. */
  cpuMs: number;
  outputBytes: number;
};

/** `host` = something other than the job failed: nothing was learned. */
export const wasmEnds = ['ok', 'threw', 'interrupted', 'oom', 'output', 'host'] as const;
const outputField = z.base64().max(Math.ceil((sandboxCeilings.outputBytes * 4) / 3) + 4);

/** The child is half hostile: its job may have broken out of the engine. */
export const wasmAnswerSchema = z.object({
  end: z.enum(wasmEnds),
  stdout: outputField,
  stderr: outputField,
  isCut: z.boolean(),
  wallMs: z.number().min(0),
  cpuMs: z.number().min(0),
  memoryBytes: z.number().min(0),
  /** False: the child must not run another job. */
  isSound: z.boolean(),
});
export type WasmAnswer = z.infer<typeof wasmAnswerSchema>;

/** First line to the child: who it is to be; null stays who it is. */
export type WasmStart = { uid: number | null };
/** First line of the child. */
export const wasmHelloSchema = z.object({ ready: z.literal(true), uid: z.int().min(0), version: z.string().max(100) });
export type WasmHello = z.infer<typeof wasmHelloSchema>;
