/** What a start needs to know, whichever parts it is of. */
import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { Logger } from '@labmesh/kit/log';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import type { World } from '../command.ts';
import type { Parts } from './parts.ts';
import type { UpValues } from './up-options.ts';

export type ComposeInput = {
  world: World;
  dataDir: string;
  values: UpValues;
  parts: Parts;
  file: OptionsFile | undefined;
  log: Logger;
  onStep: (text: string) => void;
  /** A server that was found after the start. */
  onFound: (endpoint: Endpoint) => void;
};
