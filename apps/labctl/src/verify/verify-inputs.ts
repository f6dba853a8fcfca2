/** The files of `labctl verify`. What is named and cannot be used is a usage error, so that exit 1 means: invalid. */
import type { CandidateInput } from '@labmesh/arena/verify/make-candidate';
import { parseSuite } from '@labmesh/arena/suites/parse-suite';
import { SuiteRefused } from '@labmesh/arena/suites/suite-refused';
import type { Suite } from '@labmesh/wire/verification/suite';
import { defineOptions } from '@labmesh/kit/options';
import type { World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { readAnswerFile } from './answer-file.ts';
import { readNamed } from './attest-files.ts';

export type VerifyFlags = {
  suite: string | undefined;
  tools: string | undefined;
  schema: string | undefined;
  language: string | undefined;
};

/** What an answer is checked against, beside itself. */
export const inputOptions = defineOptions({
  suite: { type: 'string', flag: 'suite', placeholder: 'FILE', help: 'cases that the code must meet (JSON)' },
  tools: { type: 'string', flag: 'tools', placeholder: 'FILE', help: 'tools that the answer may call (JSON list)' },
  schema: { type: 'string', flag: 'schema', placeholder: 'FILE', help: 'JSON Schema that its JSON must meet' },
  language: {
    type: 'string',
    flag: 'language',
    placeholder: 'NAME',
    help: 'what blocks without a tag are, and an answer without blocks',
  },
});

const usage = (message: string) => new CommandError(message, { exitCode: exitCodes.usage });

async function readJson(path: string, flag: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readNamed(path, flag));
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw usage(`${flag}: ${path} is not JSON`);
  }
}

/** A list, or the request that holds one. */
async function readTools(path: string): Promise<readonly unknown[]> {
  const value = await readJson(path, '--tools');
  const inner = typeof value === 'object' && value !== null && 'tools' in value ? value.tools : value;
  if (Array.isArray(inner)) return inner as unknown[];
  throw usage(`--tools: ${path} is no list of tools`);
}

/** Cases beyond the limits are refused here as the arena refuses them. */
async function readSuite(path: string): Promise<Suite> {
  const bytes = await readNamed(path, '--suite');
  try {
    return parseSuite(bytes);
  } catch (error) {
    if (error instanceof SuiteRefused) throw usage(`--suite: ${path}: ${error.message} (${error.code})`);
    throw error;
  }
}

/** @throws CommandError (exit 2) */
export async function readBeside({ suite, tools, schema, language }: VerifyFlags): Promise<{
  beside: Pick<CandidateInput, 'metadata' | 'tools' | 'expectedSchema'>;
  suite: Suite | undefined;
}> {
  const beside = {
    metadata: language === undefined ? {} : { language },
    ...(tools !== undefined && { tools: await readTools(tools) }),
    ...(schema !== undefined && { expectedSchema: await readJson(schema, '--schema') }),
  };
  return { beside, suite: suite === undefined ? undefined : await readSuite(suite) };
}

/** @throws CommandError (exit 2) */
export async function readInputs(
  path: string | undefined,
  flags: VerifyFlags,
  world: Pick<World, 'readStdin'>,
): Promise<{ candidate: CandidateInput; suite: Suite | undefined }> {
  const text = path === '-' ? await world.readStdin() : new TextDecoder().decode(await readNamed(path, 'the answer'));
  const file = readAnswerFile(text);
  const { beside, suite } = await readBeside(flags);
  // Flags win over what the file says: they are about this call.
  return { candidate: { ...file, ...beside }, suite };
}
