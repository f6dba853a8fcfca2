import { bundleGuest } from './bundle-guest.ts' with { type: 'macro' };

/** JavaScript that defines `meetSchema(text)`; a text already when this file is loaded. */
export const guestProgram: string = bundleGuest();
