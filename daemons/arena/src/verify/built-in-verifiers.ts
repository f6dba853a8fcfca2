import type { Verifier } from '../contract/verifier.ts';
import { jsonSchema } from './parse/json-schema.ts';
import { safetyFilter } from './text/safety-filter.ts';
import { toolValidator } from './tools/tool-validator.ts';

/** What comes with labmesh; the names stand in requests, settings and certificates. */
export const builtInVerifiers: readonly Verifier[] = [safetyFilter, toolValidator, jsonSchema];
