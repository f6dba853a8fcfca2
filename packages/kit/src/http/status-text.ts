import { STATUS_CODES } from 'node:http';

/** `200 OK`, as it stands in a status line. */
export const statusText = (status: number): string => `${status} ${STATUS_CODES[status] ?? 'Status'}`;
