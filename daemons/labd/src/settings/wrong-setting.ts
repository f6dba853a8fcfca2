/** The one form in which labd refuses a setting, and files that settings name. */
import { readFileSync } from 'node:fs';
import { OptionsError } from '@labmesh/kit/options';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';

/** `key` as it stands in labmesh.toml; exit code 3. */
export const wrongSetting = (key: string, message: string, hint?: string): OptionsError =>
  new OptionsError({ source: key, exitCode: 3, ...(hint !== undefined && { hint }) }, message);

/** The text of a file that a setting names. @throws OptionsError (exit 3) with key and path */
export function readSettingFile(path: string, key: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw wrongSetting(key, `${path} cannot be read (${(error as { code?: string }).code ?? 'unknown'})`);
  }
}

/**
 * Runs a check that a part brings along. Its refusal is written for callers of the API, who see no path: here it goes to
 * the operator's own terminal. @throws OptionsError (exit 3) in place of VALIDATION_FAILED; else what the check throws
 */
export function asSetting<T>(key: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof FleetError) || error.code !== 'VALIDATION_FAILED') throw error;
    const { field = key, message, log, hint } = error;
    const text = message.startsWith(field) ? message.slice(field.length).replace(/^:? /, '') : message;
    throw wrongSetting(field, log === undefined ? text : `${text} (${log})`, hint);
  }
}
