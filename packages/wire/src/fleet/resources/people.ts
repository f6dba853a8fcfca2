/** Users, roles, permissions and bindings (ID-1 … ID-4, RB-1 … RB-9). */
import { z } from 'zod';
import { kinds, verbs } from '../access-words.ts';
import { idField, nameField, pageQuery, revisionField, timeField } from './fields.ts';

const userNameField = z.string().regex(/^[a-z0-9]([a-z0-9._@+-]{0,251}[a-z0-9])?$/, 'is not a user name');

export const userSchema = z.object({
  id: idField,
  name: z.string(),
  kind: z.string(),
  email: z.string().nullable(),
  roles: z.array(z.string()),
  hasPassword: z.boolean(),
  hasTotp: z.boolean(),
  disabledAt: timeField.nullable(),
  createdAt: timeField,
  revision: revisionField,
});
export type User = z.infer<typeof userSchema>;

export const createUserSchema = z
  .object({ name: userNameField, email: z.email().max(253).optional(), roles: z.array(nameField).max(64).default([]) })
  .strict();
/** `token` is the one-time enrolment token (ID-2), shown this once. */
export const createdUserSchema = z.object({
  user: userSchema,
  token: z.string(),
  expiresAt: timeField,
  loginCommand: z.string(),
});
export const patchUserSchema = z
  .object({
    revision: revisionField.optional(),
    email: z.email().max(253).nullable().optional(),
    disabled: z.boolean().optional(),
  })
  .strict();
export const userTokenSchema = z.object({ token: z.string(), expiresAt: timeField, loginCommand: z.string() });
export const setPasswordSchema = z
  .object({ password: z.string().min(12).max(256).nullable(), currentPassword: z.string().max(256).optional() })
  .strict();
/** `uri` is the otpauth:// address of the secret, shown this once. Null turns it off. */
export const setTotpSchema = z.object({ enabled: z.boolean() }).strict();
export const totpSchema = z.object({ uri: z.string().nullable() });

export const roleSchema = z.object({
  id: idField,
  name: nameField,
  description: z.string().nullable(),
  builtIn: z.boolean(),
  /** Rule texts (RB-1). */
  rules: z.array(z.string()),
  createdAt: timeField,
  revision: revisionField,
});
export type Role = z.infer<typeof roleSchema>;
const rulesField = z.array(z.string().min(1).max(2048)).max(256);
export const createRoleSchema = z
  .object({ name: nameField, description: z.string().max(1024).optional(), rules: rulesField })
  .strict();
export const putRoleSchema = z
  .object({
    revision: revisionField.optional(),
    description: z.string().max(1024).nullable().optional(),
    rules: rulesField,
  })
  .strict();

export const permissionSchema = z.object({
  id: idField,
  role: z.string(),
  effect: z.string(),
  verbs: z.array(z.string()),
  kinds: z.array(z.string()),
  name: z.string().nullable(),
  selector: z.string().nullable(),
  limits: z.string().nullable(),
  text: z.string(),
});

export const subjectKinds = ['user', 'group', 'service'] as const;
export const bindingSchema = z.object({
  id: idField,
  subjectKind: z.enum(subjectKinds),
  subject: z.string(),
  role: z.string(),
  expiresAt: timeField.nullable(),
  createdAt: timeField,
});
export type Binding = z.infer<typeof bindingSchema>;
export const createBindingSchema = z
  .object({
    subjectKind: z.enum(subjectKinds).default('user'),
    subject: z.string().min(1).max(253),
    role: nameField,
    expiresAt: z.iso.datetime().optional(),
  })
  .strict();

export const canISchema = z
  .object({
    verb: z.enum(verbs),
    kind: z.enum(kinds),
    name: z.string().max(253).optional(),
    /** A user's name; needs impersonate on users. */
    as: z.string().max(253).optional(),
    account: z.string().max(64).optional(),
    forward: z.string().max(253).optional(),
  })
  .strict();
/** RB-9. `nearest` and `failed` only when nothing matched. */
export const canIAnswerSchema = z.object({
  allowed: z.boolean(),
  reason: z.enum(['DENY_RULE', 'ALLOW_RULE', 'NO_MATCH']),
  rule: z.string().nullable(),
  role: z.string().nullable(),
  matched: z.array(z.string()),
  roles: z.array(z.string()),
  nearest: z.string().nullable(),
  failed: z.string().nullable(),
});
export type CanIAnswer = z.infer<typeof canIAnswerSchema>;

export const peopleQuerySchema = z.object({ ...pageQuery, q: z.string().max(253).optional() });
