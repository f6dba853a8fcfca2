/** Where the output of many servers goes. One for each form that `--output` names (FO-3). */
import type { TargetResult } from './fan-result.ts';

export interface FanOutput {
  /** Bytes of a server, in order by stream. Resolves when they may be credited. @throws OutputGone */
  data(server: string, stream: 1 | 2, bytes: Uint8Array): Promise<void>;
  /** The server is through; nothing of it comes any more. Also for those that were never started. @throws OutputGone */
  done(result: TargetResult): Promise<void>;
  /** All are through. @throws OutputGone */
  finish(): Promise<void>;
}

/** Writes to our stdout (1) and stderr (2). */
export type Write = (stream: 1 | 2, bytes: Uint8Array) => Promise<void>;

export const textBytes = (text: string): Uint8Array => new TextEncoder().encode(text);
