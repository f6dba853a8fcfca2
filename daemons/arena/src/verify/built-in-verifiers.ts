import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import type { Verifier } from '../contract/verifier.ts';
import { securityAudit } from './audit/security-audit.ts';
import { defineVerifier } from './define-verifier.ts';
import { codeLinter } from './linter/code-linter.ts';
import { jsonSchema } from './parse/json-schema.ts';
import { runtimeVerifier } from './runtime/runtime-verifier.ts';
import { safetyFilter } from './text/safety-filter.ts';
import { toolValidator } from './tools/tool-validator.ts';
import { readVerifySettings, type VerifySettings } from './verify-settings.ts';

/** What comes with labmesh, cheapest first; the names stand in requests, settings and certificates. */
export const everyVerifier: readonly Verifier[] = [
  safetyFilter,
  toolValidator,
  defineVerifier(codeLinter),
  jsonSchema,
  defineVerifier(securityAudit),
  defineVerifier(runtimeVerifier),
];

/** `[verify]` of a file for all of them. @throws as readVerifySettings */
export const readEveryVerifier = (file: OptionsFile | undefined): VerifySettings =>
  readVerifySettings(file, everyVerifier);
