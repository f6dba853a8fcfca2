/** What a scanner of the field says of code (verification BR2). It runs inside the sandbox, and its words are read as hostile as the code. */
import type { scannerNames } from '@labmesh/sandbox/scanner-starts';
import { z } from 'zod';
import type { Severity } from '../audit/audit-rules.ts';

export type ScannerFinding = {
  /** Of the file that it was given. */
  file: string;
  rule: string;
  severity: Severity;
  text: string;
  /** From 1. */
  line: number;
};

/** `isBlind`: it could not make sense of a file. */
export type Scanned = { findings: ScannerFinding[]; isBlind: boolean };

export type Scanner = {
  name: (typeof scannerNames)[number];
  /** Endings of files, by the languages that it reads. */
  endings: Readonly<Record<string, string>>;
  /** Words of its command, the files last. */
  argv: readonly string[];
  /** Undefined: this is not what it prints. */
  read: (json: unknown) => Scanned | undefined;
};

/** A place in a file that was given to it. */
export const lineField = z.int().min(1).max(1e7);
export const fileField = z.string().max(255);
