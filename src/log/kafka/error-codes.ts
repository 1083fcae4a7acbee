/** Error codes of the Kafka protocol guide that are looked at by number; a code that is not here is held and tried again, never guessed. */
export const KAFKA_ERROR = {
  unknownServerError: -1,
  none: 0,
  offsetOutOfRange: 1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeaderOrFollower: 6,
  requestTimedOut: 7,
  messageTooLarge: 10,
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  invalidTopic: 17,
  notEnoughReplicas: 19,
  notEnoughReplicasAfterAppend: 20,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  clusterAuthorizationFailed: 31,
  invalidTimestamp: 32,
  topicAlreadyExists: 36,
  invalidPartitions: 37,
  invalidReplicationFactor: 38,
  invalidConfig: 40,
  policyViolation: 44,
  outOfOrderSequence: 45,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  transactionalIdAuthorization: 53,
  kafkaStorage: 56,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 76,
  invalidRecord: 87,
} as const

const E = KAFKA_ERROR
/** The partition's leader may be elsewhere by now. */
export const LEADER_MOVED: readonly number[] = [
  E.unknownTopicOrPartition,
  E.leaderNotAvailable,
  E.notLeaderOrFollower,
  E.kafkaStorage,
  E.fencedLeaderEpoch,
  E.unknownLeaderEpoch,
]
/** The broker starts, or hands over. */
export const COORDINATOR_BUSY: readonly number[] = [E.coordinatorLoading, E.coordinatorNotAvailable, E.notCoordinator]
