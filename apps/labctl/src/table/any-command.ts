import type { Command } from '../command.ts';

/** A command whose options are of any kind: the dispatcher only hands them through. */
export const anyCommand = (command: unknown): Command => command as Command;
