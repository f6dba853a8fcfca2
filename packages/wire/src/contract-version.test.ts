import { expect, test } from 'bun:test';
import { z } from 'zod';
import { kinds as fleetKinds, selectorFields, verbs } from './fleet/access-words.ts';
import { fleetErrors } from './fleet/fleet-errors.ts';
import type { FleetOperation } from './fleet/operation.ts';
import { fleetOperations } from './fleet/operations.ts';
import { principalKinds } from './fleet/principal.ts';
import {
  closeCodes,
  frameLimits,
  frameTypes,
  signalNames,
  socketCloseCodes,
  streams,
  subprotocols,
} from './frame/frame-types.ts';
import { contractHistory, contractVersion } from './contract-version.ts';
import { errorTable } from './errors.ts';
import { kinds } from './link/kinds.ts';
import { linkCloseCodes, linkCodes, linkLimits } from './link/limits.ts';
import { operations, scopes } from './operations.ts';

/** JSON with keys in order, so that moving a line is no change. */
function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stable).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const keys = Object.keys(value).toSorted();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${stable((value as Record<string, unknown>)[key])}`).join(',')}}`;
}

const jsonSchema = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });

/** Every exported schema of the package by its export name: no list to forget, and a file may move. */
async function schemas(): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const path of new Bun.Glob('**/*.ts').scanSync(import.meta.dir)) {
    if (path.endsWith('.test.ts')) continue;
    const file = (await import(`./${path}`)) as Record<string, unknown>;
    for (const [name, value] of Object.entries(file)) {
      if (!(value instanceof z.ZodType)) continue;
      // The planes have their own folders, and may use one word each.
      const key = path.includes('/') ? `${path.split('/')[0]}/${name}` : name;
      if (key in found) throw new Error(`two schemas are called ${key}`);
      found[key] = jsonSchema(value);
    }
  }
  return found;
}

/** Wording is no contract: texts and summaries may be mended without a new version. */
async function contractHash(): Promise<string> {
  const contract = {
    schemas: await schemas(),
    errors: Object.fromEntries(Object.entries(errorTable).map(([code, row]) => [code, { ...row, text: '' }])),
    operations: operations.map((row) => ({ ...row, summary: '' })),
    scopes,
    kinds: kinds.map(({ kind, direction, schema }) => ({ kind, direction, schema: jsonSchema(schema) })),
    link: [linkCodes, linkCloseCodes, linkLimits],
    fleetErrors: Object.fromEntries(Object.entries(fleetErrors).map(([code, row]) => [code, { ...row, text: '' }])),
    // Inputs and outputs are named schemas and counted above; here is what a route needs beside them.
    fleetOperations: (fleetOperations as readonly FleetOperation[]).map(({ query, body, output, ...row }) => ({
      ...row,
      summary: '',
      query: query && jsonSchema(query),
      body: body && jsonSchema(body),
      output: output && jsonSchema(output),
    })),
    access: [verbs, fleetKinds, selectorFields, principalKinds],
    frames: [frameTypes, streams, subprotocols, frameLimits, socketCloseCodes, closeCodes, signalNames],
  };
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(stable(contract)));
  return Buffer.from(digest).toString('hex');
}

test('the contract is the one its version names', async () => {
  const hash = await contractHash();
  const last = contractHistory.at(-1);
  if (last?.hash !== hash)
    throw new Error(`contract changed: raise the version and add a history line with hash ${hash}`);
});

test('versions rise by one, and the last is the current', () => {
  expect(contractHistory.map((line) => line.version)).toEqual(contractHistory.map((_, i) => i + 1));
  expect(contractHistory.at(-1)?.version).toBe(contractVersion);
  expect(contractHistory.every((line) => line.note !== '')).toBe(true);
  expect(new Set(contractHistory.map((line) => line.hash)).size).toBe(contractHistory.length);
});
