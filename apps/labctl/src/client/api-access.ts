/** Where the API is and with which key: what was given, else what the data folder tells. */
import { readFileSync } from 'node:fs';
import { defineOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import type { World } from '../command.ts';
import { dataOption } from '../common-options.ts';
import { originOfApi, runningState } from './running-gateway.ts';

/** A key of the data folder is for the labmesh on it: an API that is named gets the key that is named with it, or none. */
export const apiOptions = defineOptions({
  api: {
    type: 'string',
    flag: 'api',
    env: 'LABMESH_API',
    placeholder: 'URL',
    help: 'base URL of an API; default: the labmesh on the data folder',
  },
  key: {
    type: 'string',
    flag: 'key',
    env: 'LABMESH_API_KEY',
    envFile: true,
    secret: true,
    placeholder: 'KEY',
    help: 'API key; default without --api: the first key of the data folder',
  },
  ...dataOption,
});

/** `url` is for error texts: as it was given, or as run.json has it. */
export type Api = ReturnType<typeof originOfApi> & { url: string; key: string | undefined };

/** @throws CommandError when nothing runs on the data folder and no API was named */
export function findApi(values: OptionValues<typeof apiOptions>, world: World): Api {
  if (values.api !== undefined) return { ...originOfApi(values.api), url: values.api, key: values.key };
  const state = runningState(values.data, world.env);
  let key = values.key;
  try {
    if (key === undefined && state.keyFile !== undefined) key = readFileSync(state.keyFile, 'utf8').trim() || undefined;
  } catch {
    // Taken away by the operator: the API says what it needs.
  }
  return { ...originOfApi(state.api), url: state.api, key };
}

/** The arena's routes stand beside the API, not below it. */
export const besideApi = (api: Api, path: string) => `${api.prefix.replace(/\/v1$/, '')}${path}`;
