import { updateGround, type UpdateGround } from './update-ground.ts';
import { Updater, type UpdaterParts } from './updater.ts';
import type { AgentOptions } from '../agent-options.ts';

export type OpenUpdaterParts = Omit<UpdaterParts, 'ground' | 'restart'> & {
  options: AgentOptions;
  version: string;
  selfCommand: readonly string[];
  /** Absent: the agent lives in another process, which is not ours to end. */
  restart: (() => void) | undefined;
};

/** The updater of this agent; undefined where its settings or the way it runs allow no updates. @throws OptionsError. */
export function openUpdater(parts: OpenUpdaterParts): Updater | undefined {
  const { options, version, selfCommand, restart, ...rest } = parts;
  if (restart === undefined) return undefined;
  const ground: UpdateGround | string = updateGround(options, version, selfCommand);
  if (typeof ground !== 'string') return new Updater({ ...rest, ground, restart });
  parts.log.info('this agent takes no updates', { reason: ground });
  return undefined;
}
