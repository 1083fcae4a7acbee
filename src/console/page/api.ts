/** Who is looking, and what can be looked at. */
export interface Session {
  readonly user: { readonly name: string; readonly role: 'viewer' | 'operator' }
  readonly csrf: string
  readonly sides: readonly ('core' | 'edge')[]
  readonly version: string
}

export class ApiError extends Error {
  readonly status: number
  readonly advice: string | undefined

  constructor(status: number, message: string, advice?: string) {
    super(message)
    this.status = status
    this.advice = advice
  }
}

export async function get<Answer>(path: string): Promise<Answer> {
  return answerOf<Answer>(await fetch(path))
}

export async function change<Answer>(method: 'POST' | 'DELETE', path: string, csrf: string, body: object = {}): Promise<Answer> {
  const headers = { 'content-type': 'application/json', 'x-headrace-csrf': csrf }
  return answerOf<Answer>(await fetch(path, { method, headers, body: JSON.stringify(body) }))
}

async function answerOf<Answer>(response: Response): Promise<Answer> {
  const body = (await response.json()) as Answer & { error?: { message: string; advice?: string } }
  if (!response.ok) throw new ApiError(response.status, body.error?.message ?? response.statusText, body.error?.advice)
  return body
}
