/** What columns of the tables are made of. */
import type { Generated } from 'kysely';

/** 0 or 1. */
export type Flag = 0 | 1;
/** Unix ms. */
export type Ms = number;
/** JSON text. */
export type Json = string;

/** Updates carry the revision they read: `where revision = ?` and `set revision = revision + 1`. */
export type Row = { id: string; created_at: Ms; revision: Generated<number> };
