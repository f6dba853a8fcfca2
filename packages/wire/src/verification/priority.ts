/** How urgent a run is (verification RP8, gateway G-20): the same classes wherever runs and their jobs wait. */
import { z } from 'zod';

/** Least urgent first. */
export const priorities = ['low', 'normal', 'high', 'critical'] as const;
export const priorityField = z.enum(priorities);
export type Priority = z.infer<typeof priorityField>;

/** What a run has that asks for none, and the most that a key may ask for that was given no right to more. */
export const usualPriority: Priority = 'normal';
/** By which a request says its class. */
export const priorityHeader = 'x-labmesh-priority';
/** One class more for each of these that somebody has waited, ms. */
export const priorityAgeMs = 30_000;
/** Whoever had work under way in the last of these finds a place open when it has more, ms. */
export const placeKeptMs = 60_000;

/** The scope by which a key has a class. */
export const priorityScope = (priority: Priority) => `priority:${priority}` as const;
/** The highest class that scopes give; undefined when they give none. */
export const priorityOfScopes = (scopes: readonly string[]): Priority | undefined =>
  priorities.findLast((priority) => scopes.includes(priorityScope(priority)));

/** 1 to 4. */
export const priorityRank = (priority: Priority): number => priorities.indexOf(priority) + 1;
/** The class asked for, held to the most that is allowed. */
export const lowerPriority = (wanted: Priority, most: Priority): Priority =>
  priorityRank(wanted) <= priorityRank(most) ? wanted : most;
