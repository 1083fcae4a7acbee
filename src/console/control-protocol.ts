/*
  The control socket speaks lines of JSON, UTF-8:
    request   {"call": NAME, "args": {…}}           one a connection
    reply     {"item": …}*                          for calls that give a stream, as long as the connection is open
              {"result": …} | {"error": {"code", "message", "advice"?}}
*/

/** A request is a name and a few options. */
export const REQUEST_BYTES_MAX = 64 * 1024
/** A Unix socket's path has this many bytes at the most, on Linux (unix(7), sun_path). */
export const SOCKET_PATH_BYTES_MAX = 107

export interface ControlError {
  readonly code: string
  readonly message: string
  readonly advice?: string
}

export type ControlReply = { readonly item: unknown } | { readonly result: unknown } | { readonly error: ControlError }
