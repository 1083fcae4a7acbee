import { type ClientTlsOptions, whyRefused } from './client-tls.ts'

/*
  MQTT 5, 2.4 "Reason Code", and 3.1.1, 3.2.2.3 "Connect Return code"
*/
const REFUSED_ID = [2, 133]
const REFUSED_USER = [4, 5, 134, 135]
const TAKEN_OVER = 142

/** Why a connection ended or was not made: `why` is an error of the library, or what the broker said at its end. */
export function whyNoConnection(
  why: unknown,
  clientId: string | undefined,
  tls: ClientTlsOptions | undefined,
  wallMs: number,
): string {
  if (why === undefined) return `the connection is closed; where it is again and again, another client has the id ${clientId}`
  const { code, reasonCode } = why as { code?: unknown; reasonCode?: unknown }
  if (reasonCode === TAKEN_OVER) return `another client came under the id ${clientId}: give one of both another \`client_id\``
  if (!(why instanceof Error)) return `the broker ended the connection, reason code ${String(reasonCode)}`
  if (REFUSED_ID.includes(Number(code))) return `the broker takes no client of the id ${clientId}: set another \`client_id\``
  if (REFUSED_USER.includes(Number(code)))
    return `${why.message}: look at \`username\` and \`password_file\`, and at what the broker allows the client ${clientId}`
  return whyRefused(why, tls, wallMs)
}
