/** What runtime/expression.ts takes of the library. */
export { Environment } from '@marcbachmann/cel-js'
