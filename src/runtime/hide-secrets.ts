/** RFC 3986, 3.1: none that is used is longer. */
const SCHEME = '\\b([a-z][a-z0-9+.-]{0,15}:\\/\\/'
/** RFC 3986, 3.2.1: the part of an address before its host, which may be a name and a password. */
const USER_INFO = new RegExp(`${SCHEME})[^\\s/?#"']+@`, 'gi')
/** RFC 3986, 3.4: many services take their keys there. What follows the address in a sentence is not of it. */
const QUERY = new RegExp(`${SCHEME}[^\\s?"'\\\\]+)\\?[^\\s"'\\\\]*[^\\s"'\\\\:;,.)]`, 'gi')
/** An enrolment token. */
const TOKEN = /\bhr1\.[\w-]+/g

/** A text that people read, without what might be secrets in it: names and passwords in addresses, their queries, and enrolment tokens. */
export function hideSecrets(text: string): string {
  const withoutLogins = text.includes('@') ? text.replace(USER_INFO, '$1…@') : text
  const shown = withoutLogins.includes('?') ? withoutLogins.replace(QUERY, '$1?…') : withoutLogins
  return shown.includes('hr1.') ? shown.replace(TOKEN, 'hr1.…') : shown
}
