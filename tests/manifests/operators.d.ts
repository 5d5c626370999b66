// The parts that Nova's manifests use of resources for which no package of schemas is to be had: Strimzi's (kafka.strimzi.io/v1) and
// CloudNativePG's Database. What is not here is refused, and has to be looked up in the operator's reference before it is added.
interface Metadata {
  name: string;
  namespace: string;
  labels: Record<string, string>;
}

interface Selector {
  matchLabels: Record<string, string>;
}

interface Resources {
  requests?: { cpu?: string; memory?: string };
  limits?: { cpu?: string; memory?: string };
}

export interface KafkaNodePool {
  apiVersion: "kafka.strimzi.io/v1";
  kind: "KafkaNodePool";
  metadata: Metadata;
  spec: {
    replicas: number;
    roles: ("controller" | "broker")[];
    template?: {
      pod?: {
        topologySpreadConstraints?: {
          maxSkew: number;
          topologyKey: string;
          whenUnsatisfiable: "DoNotSchedule" | "ScheduleAnyway";
          labelSelector: Selector;
        }[];
      };
    };
    storage: {
      type: "jbod";
      volumes: {
        id: number;
        type: "persistent-claim";
        size: string;
        deleteClaim: boolean;
        kraftMetadata?: "shared";
      }[];
    };
    resources?: Resources;
  };
}

export interface Kafka {
  apiVersion: "kafka.strimzi.io/v1";
  kind: "Kafka";
  metadata: Metadata;
  spec: {
    kafka: {
      rack?: { topologyKey: string };
      listeners: {
        name: string;
        port: number;
        type: "internal";
        tls: boolean;
        authentication?: { type: "scram-sha-512" | "tls" };
        configuration?: { brokerCertChainAndKey?: { secretName: string; certificate: string; key: string } };
        networkPolicyPeers?: { namespaceSelector?: Selector; podSelector?: Selector }[];
      }[];
      config?: Record<string, string | number | boolean>;
      authorization?: { type: "simple" };
    };
    entityOperator?: { topicOperator?: Record<string, never>; userOperator?: Record<string, never> };
  };
}

export interface KafkaUser {
  apiVersion: "kafka.strimzi.io/v1";
  kind: "KafkaUser";
  metadata: Metadata;
  spec: {
    authentication: {
      type: "scram-sha-512";
      password?: { valueFrom: { secretKeyRef: { name: string; key: string } } };
    };
    authorization?: {
      type: "simple";
      acls: {
        resource: { type: "topic" | "group"; name: string; patternType: "literal" | "prefix" };
        operations: ("Read" | "Write" | "Describe")[];
      }[];
    };
  };
}

export interface KafkaTopic {
  apiVersion: "kafka.strimzi.io/v1";
  kind: "KafkaTopic";
  metadata: Metadata;
  spec: {
    partitions: number;
    replicas: number;
    config?: Record<string, string | number | boolean>;
  };
}

export interface Database {
  apiVersion: "postgresql.cnpg.io/v1";
  kind: "Database";
  metadata: Metadata;
  spec: {
    name: string;
    owner: string;
    cluster: { name: string };
    databaseReclaimPolicy?: "retain" | "delete";
  };
}
