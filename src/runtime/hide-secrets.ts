/** RFC 3986, 3.2.1: the part of an address before its host, which may be a name and a password. */
const USER_INFO = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"']+@/gi
/** An enrolment token. */
const TOKEN = /\bhr1\.[\w-]+/g

/** A text that people read, without what might be secrets in it: names and passwords in addresses, and enrolment tokens. */
export function hideSecrets(text: string): string {
  const shown = text.includes('@') ? text.replace(USER_INFO, '$1…@') : text
  return shown.includes('hr1.') ? shown.replace(TOKEN, 'hr1.…') : shown
}
