/** How an identity is got and kept: enrol, renew, come back after expiry (JT-3, CA-6, CA-7). */
import { z } from 'zod';
import { idField, labelsField, nameField, timeField } from './resources/fields.ts';
import { macField } from './tokens.ts';

/** A PKCS#10 request, PEM. Only its key and its own signature count (CA-4). */
export const csrPemField = z
  .string()
  .max(8_192)
  .regex(/^\s*-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----[\s\S]+-----END (?:NEW )?CERTIFICATE REQUEST-----\s*$/, {
    message: 'is not a PEM certificate request',
  });

/** Most bytes of an enrolment's body (AP-4) and of the facts in it (AG-6). */
export const enrolBodyBytesMax = 64 * 1_024;
export const factsBytesMax = 64 * 1_024;

export const factsField = z
  .record(z.string().max(128), z.unknown())
  .refine((facts) => JSON.stringify(facts).length <= factsBytesMax, 'is above 64 KiB');

const hostnameField = z
  .string()
  .max(253)
  .transform((text) => text.toLowerCase())
  .pipe(nameField);

/** What a machine says of itself. Nothing here decides about access (RB-4). */
export const enrollSchema = z
  .object({
    token: z.string().max(256),
    csrPem: csrPemField,
    /** The bastion's or service's name for those kinds. */
    hostname: hostnameField,
    machineId: z
      .string()
      .min(1)
      .max(64)
      .transform((text) => text.toLowerCase())
      .pipe(z.string().regex(/^[a-z0-9-]+$/, 'is not a machine id')),
    macs: z.array(macField).max(64).default([]),
    agentVersion: z.string().min(1).max(64),
    facts: factsField.optional(),
    /** The agent's own labels; stored under `facts.*` only. */
    labels: labelsField.optional(),
  })
  .strict();
export type Enroll = z.infer<typeof enrollSchema>;

const certificateFields = {
  certificatePem: z.string(),
  chainPem: z.string(),
  caPem: z.string(),
  /** JT-6; several by comma while a rotation runs. */
  caPin: z.string(),
  expiresAt: timeField,
  /** Half life, give or take 1/20 of life (CA-6). */
  renewAfter: timeField,
};

export const enrolledSchema = z.object({
  serverId: idField,
  /** The identity's own id, as in its SPIFFE URI. */
  agentId: idField,
  ...certificateFields,
  agentUrls: z.array(z.string()),
});
export type Enrolled = z.infer<typeof enrolledSchema>;

export const renewSchema = z.object({ csrPem: csrPemField }).strict();
export type Renew = z.infer<typeof renewSchema>;
export const renewedSchema = z.object(certificateFields);
export type Renewed = z.infer<typeof renewedSchema>;

/** Over the expired certificate, on the agent listener only (LD-2). */
export const reenrollSchema = z.object({ csrPem: csrPemField }).strict();
export type Reenroll = z.infer<typeof reenrollSchema>;
