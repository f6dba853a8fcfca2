/** How far a change of the hub's keys has come (K8), in `tunnel/rotation.json`; the pairs lie beside it. */
import { rmSync } from 'node:fs';
import { parseJson } from '@labmesh/kit/parse-json';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';
import { fingerprintField, wireguardKeyField } from '@labmesh/wire/tunnel';
import { z } from 'zod';

const rotationRecordSchema = z.object({
  oldSha256: fingerprintField,
  newSha256: fingerprintField,
  /** Of WireGuard, base64: in use from the promotion on. Absent: it stays. */
  newWireguard: wireguardKeyField.optional(),
  /** Unix ms. */
  announcedAt: z.int().min(0),
  promotedAt: z.int().min(0).nullable(),
});
export type RotationRecord = z.infer<typeof rotationRecordSchema>;

/** Undefined without one, and for a file that makes no sense. */
export function readRotation(path: string): RotationRecord | undefined {
  const text = readPrivateFile(path);
  return text === undefined ? undefined : rotationRecordSchema.safeParse(parseJson(text)).data;
}

/** Whole or not at all. @throws what the file system says */
export const writeRotation = (path: string, record: RotationRecord): void =>
  writePrivateFile(path, `${JSON.stringify(record, undefined, 2)}\n`);

export const dropRotation = (path: string): void => rmSync(path, { force: true });
