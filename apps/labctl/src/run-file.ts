/**
 * `<data>/run.json`: what other labctl commands need to reach the labmesh that runs on a data folder. It outlives a
 * crash, so it tells where to ask, never that somebody answers.
 */
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const runStateSchema = z.object({
  pid: z.number().int().positive(),
  /** ISO time. */
  startedAt: z.string(),
  version: z.string(),
  /** Absent while it starts, and without a gateway. */
  api: z.string().optional(),
  port: z.number().int().optional(),
  adminToken: z.string().optional(),
  keyFile: z.string().optional(),
  /** Absent while it starts, and without labd. */
  fleet: z
    .object({
      api: z.string(),
      agents: z.string(),
      adminSocket: z.string(),
      /** Name of this machine, when its agent joined. */
      server: z.string().optional(),
    })
    .optional(),
});
export type RunState = z.infer<typeof runStateSchema>;

const runFile = (dataDir: string) => join(dataDir, 'run.json');

/** Undefined when there is none, or none that makes sense. */
export function readRunState(dataDir: string): RunState | undefined {
  try {
    return runStateSchema.safeParse(JSON.parse(readFileSync(runFile(dataDir), 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** Writes it whole or not at all, 0600: it holds the admin token. */
export function writeRunState(dataDir: string, state: RunState): void {
  const draft = `${runFile(dataDir)}.${process.pid}.tmp`;
  rmSync(draft, { force: true });
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, `${JSON.stringify(state)}\n`);
  } finally {
    closeSync(file);
  }
  renameSync(draft, runFile(dataDir));
}

export function removeRunState(dataDir: string): void {
  rmSync(runFile(dataDir), { force: true });
}
