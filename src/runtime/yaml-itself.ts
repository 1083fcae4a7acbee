/** What runtime/yaml.ts takes of the library. */
export { isCollection, isPair, isScalar, parseDocument, visit } from 'yaml'
