import { parseTable } from '@labmesh/kit/config-file';
import { OptionsError } from '@labmesh/kit/options';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { type VerificationMode, verificationModeField } from '@labmesh/wire/verification/verification-block';
import { z } from 'zod';

/** A model name that the operator defines: `[models.<alias>]`. */
export type Alias = {
  name: string;
  /** What the endpoints call the model. */
  modelId: string;
  /** Names of endpoints; empty = all that list the model. */
  endpoints: readonly string[];
  /** How its answers are verified when neither request nor key says. */
  verification: VerificationMode | undefined;
};

// The types `proxy` and `discovered` of the classic file come with the nodes.
const aliasSchema = z.strictObject({
  type: z
    .literal('model', { error: 'expected "model": the types proxy and discovered are not in this version' })
    .default('model'),
  model_id: z.string({ error: 'expected the id of a model, as `labctl models` shows it' }).min(1).max(256),
  endpoints: z.array(z.string(), { error: 'expected a list of endpoint names' }).default([]),
  verification: verificationModeField.optional(),
});
const knownKeys = Object.keys(aliasSchema.shape);

/** Reads the `[models.<alias>]` tables. @throws OptionsError with file, line and key. */
export function readAliases(file: OptionsFile | undefined): ReadonlyMap<string, Alias> {
  const aliases = new Map<string, Alias>();
  const tables = file?.data['models'];
  if (file === undefined || tables === undefined) return aliases;
  if (typeof tables !== 'object' || tables === null || Array.isArray(tables)) {
    throw new OptionsError(
      { source: file.path, key: 'models', exitCode: 3 },
      'expected tables such as [models.my-alias]',
    );
  }
  for (const name of Object.keys(tables)) {
    if (name === '' || name.length > 256)
      throw new OptionsError({ source: file.path, key: 'models', exitCode: 3 }, 'an alias has 1–256 characters');
    const read =
      parseTable(file, `models.${name}`, aliasSchema, knownKeys) ??
      readDirectly(file, name, (tables as Record<string, unknown>)[name]);
    const { model_id: modelId, endpoints: only, verification } = read;
    aliases.set(name, { name, modelId, endpoints: only, verification });
  }
  return aliases;
}

/** Names with a dot cannot be reached by a dotted path. */
function readDirectly(file: OptionsFile, name: string, raw: unknown): z.output<typeof aliasSchema> {
  const result = aliasSchema.safeParse(raw);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = `models."${name}"${issue?.path[0] === undefined ? '' : `.${String(issue.path[0])}`}`;
  throw new OptionsError({ source: file.path, key, exitCode: 3 }, issue?.message ?? 'not valid');
}
