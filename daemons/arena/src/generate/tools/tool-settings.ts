/**
 * `[arena.tools]` of labmesh.toml: bounds of calls, and a table for each tool server:
 *
 *     [arena.tools.servers.docs]
 *     url = "https://docs.example/mcp"
 *     token_file = "/etc/labmesh/docs.token"
 *     allow = ["search"]
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Origin } from '@labmesh/kit/http/client';
import { isForbiddenTarget, isLoopback } from '@labmesh/kit/http/listen-address';
import { defineOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { configFault, type Fields, isTomlTable, readFields } from '@labmesh/kit/options/read-fields';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { z } from 'zod';

export type ToolServerSettings = {
  /** As selectors and models name it. */
  name: string;
  origin: Origin;
  /** With its query; never shown. */
  path: string;
  /** Sent as a bearer token; undefined = none. */
  token: string | undefined;
  /** Names that may be called though the server does not call them read-only; `*` stands for any characters. */
  allow: readonly string[];
  /** Names that are never called; stronger than `allow`. */
  block: readonly string[];
  /** Who may have them called; `*` = everybody. */
  tenants: readonly string[];
};

export type ToolSettings = {
  servers: readonly ToolServerSettings[];
  /** Turns with calls before a model has to answer. */
  rounds: number;
  /** Calls of one answer, all turns together. */
  calls: number;
  /** Of one request to a server, and of its whole list. */
  timeoutMs: number;
  /** Calls of this process at once. */
  atOnce: number;
  cacheEntries: number;
  /** 0 = nothing is kept. */
  cacheMs: number;
};

/** The key of the file that holds one table a server; options know nothing of it. */
export const toolServersKey = 'arena.tools.servers';
const serversMost = 32;

export const toolOptions = defineOptions({
  toolRounds: {
    type: 'integer',
    default: 8,
    min: 1,
    max: 32,
    file: 'arena.tools.rounds',
    help: 'turns in which a model may call tools before it has to answer',
  },
  toolCalls: {
    type: 'integer',
    default: 32,
    min: 1,
    max: 256,
    file: 'arena.tools.calls',
    help: 'calls of tools that one answer may make, all turns together',
  },
  toolS: {
    type: 'number',
    default: 30,
    min: 0.1,
    max: 300,
    file: 'arena.tools.timeout_s',
    help: 'longest time of one request to a tool server, and of its whole list of tools',
  },
  toolsAtOnce: {
    type: 'integer',
    default: 64,
    min: 1,
    max: 1_024,
    file: 'arena.tools.at_once',
    help: 'calls of tools at once, of all runs together',
  },
  toolCacheEntries: {
    type: 'integer',
    default: 8_192,
    min: 0,
    max: 1_000_000,
    file: 'arena.tools.cache_entries',
    help: 'results of tools that are kept for equal calls of the same tenant; 64 MiB at most; 0 = none',
  },
  toolCacheS: {
    type: 'number',
    default: 600,
    min: 0,
    max: 86_400,
    file: 'arena.tools.cache_s',
    help: 'how long they are kept',
  },
});

const name = /^[a-z][a-z0-9-]{0,31}$/;
/** What a header may hold; short ones would be masked out of results where they mean something else. */
const tokenForm = /^[\x21-\x7e]{8,4096}$/;
const text = z.string().min(1).max(4_096);
const names = z.array(z.string().min(1).max(128)).max(128);
const nameList = (example: string) => ({ schema: names, expected: 'a list of at most 128 names', example });

const fields = {
  url: { schema: text, expected: 'an address', example: 'url = "https://docs.example/mcp"', secret: true },
  token_file: { schema: text, expected: 'a path', example: 'token_file = "/path/of/a/file"', secret: true },
  token_env: {
    schema: z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/),
    expected: 'the name of a variable',
    example: 'token_env = "DOCS_TOKEN"',
    secret: true,
  },
  ca_file: { schema: text, expected: 'a path', example: 'ca_file = "/etc/labmesh/ca.pem"' },
  allow: nameList('allow = ["search"]'),
  block: nameList('block = ["delete*"]'),
  tenants: nameList('tenants = ["acme"]'),
} satisfies Fields;

type Place = { file: OptionsFile; key: string };

/** Prompts' words and a secret go there: off this machine over TLS, and never to where clouds keep credentials. */
function targetOf({ file, key }: Place, given: string | undefined): { origin: Origin; path: string } {
  // An address may hold a secret in its query: it is not shown.
  const fault = (problem: string) =>
    configFault(file, `${key}.url`, { problem, fix: 'write url = "https://docs.example/mcp"' });
  if (given === undefined) throw fault('is missing');
  if (!/^https?:\/\//i.test(given) || !URL.canParse(given)) throw fault('is no address of HTTP');
  const url = new URL(given);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const tls = url.protocol === 'https:';
  if (url.username !== '' || url.password !== '') throw fault('holds a user: give token_file');
  if (isForbiddenTarget(host)) throw fault('is an address that is never a tool server');
  if (!tls && !isLoopback(host)) throw fault('is spoken to over https:// off this machine');
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  return { origin: { host, port, tls }, path: `${url.pathname}${url.search}` };
}

/** What a file holds, or a fault that tells no more than the system's word for it. */
function readText({ file, key }: Place, field: string, path: string): string {
  try {
    return readFileSync(resolve(dirname(file.path), path), 'utf8').trim();
  } catch (error) {
    const problem = `the file cannot be read (${(error as { code?: string }).code ?? 'unreadable'})`;
    throw configFault(file, `${key}.${field}`, { problem });
  }
}

type Env = Readonly<Record<string, string | undefined>>;
type Given = { token_file?: string; token_env?: string };

function tokenOf(place: Place, { token_file: path, token_env: variable }: Given, env: Env): string | undefined {
  const { file, key } = place;
  if (path === undefined && variable === undefined) return undefined;
  if (path !== undefined && variable !== undefined) {
    throw configFault(file, `${key}.token_env`, { problem: 'stands beside token_file', fix: 'keep one of them' });
  }
  const found = path === undefined ? env[variable ?? ''] : readText(place, 'token_file', path);
  if (found !== undefined && tokenForm.test(found)) return found;
  const field = path === undefined ? 'token_env' : 'token_file';
  throw configFault(file, `${key}.${field}`, { problem: 'expected one word of 8 to 4096 visible characters there' });
}

function readServer(place: Place, raw: unknown, env: Env): Omit<ToolServerSettings, 'name'> {
  const { file, key } = place;
  const values = readFields(file, { key, raw }, fields, (at, problem) => {
    throw configFault(file, at, { problem });
  });
  const { origin, path } = targetOf(place, values.url);
  const tlsCa = values.ca_file === undefined ? undefined : readText(place, 'ca_file', values.ca_file);
  return {
    origin: { ...origin, ...(tlsCa !== undefined && { tlsCa }) },
    path,
    token: tokenOf(place, values, env),
    allow: values.allow ?? [],
    block: values.block ?? [],
    tenants: values.tenants ?? ['*'],
  };
}

function readServers(file: OptionsFile | undefined, env: Env): ToolServerSettings[] {
  const arena = file?.data['arena'];
  const tools = isTomlTable(arena) ? arena['tools'] : undefined;
  const raw = isTomlTable(tools) ? tools['servers'] : undefined;
  if (file === undefined || raw === undefined) return [];
  const problem = 'is a table of at most 32 tables';
  const fault = (key: string, why: string) =>
    configFault(file, key, { problem: why, fix: `write [${toolServersKey}.docs]` });
  if (!isTomlTable(raw) || Object.keys(raw).length > serversMost) throw fault(toolServersKey, problem);
  return Object.entries(raw).map(([given, table]) => {
    const key = `${toolServersKey}.${given}`;
    if (!name.test(given)) throw fault(key, 'its name is 1 to 32 characters a-z, 0-9 and -, a letter first');
    return { name: given, ...readServer({ file, key }, table, env) };
  });
}

/** @throws OptionsError (exit 3) with file, line and key; neither address nor secret stand in it */
export function readToolSettings(
  values: OptionValues<typeof toolOptions>,
  file: OptionsFile | undefined,
  env: Env,
): ToolSettings {
  return {
    servers: readServers(file, env),
    rounds: values.toolRounds,
    calls: values.toolCalls,
    timeoutMs: values.toolS * 1_000,
    atOnce: values.toolsAtOnce,
    cacheEntries: values.toolCacheEntries,
    cacheMs: values.toolCacheS * 1_000,
  };
}
