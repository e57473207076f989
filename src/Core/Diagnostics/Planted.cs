namespace Tidemark.Core.Diagnostics;

/// <summary>Mistakes that can be built in on purpose, to see the tests find them. Each stands where the rule it breaks stands.</summary>
internal enum PlantedBug
{
    None,
    CommitWithoutOwnTerm,
    AckBeforeFlush,
    AckBeforeQuorum,
    ReadWithoutRound,
    TruncateByCommit,
    NoTermCheckOnAcks,
    SecondLeaderInTerm,
    RetryWithoutDedup,
    GapTakenForDuplicate,
    StateWithoutPosition,
    VersionReusedAfterDelete,
    StatusWithoutCas,
    WallClockTimestamps,
    AmnesiacVotes,
    TermAnsweredBeforeSaved,
    RestartedLeads,
    ServesBeforeOwnEntry,
    AppliesUncommittedAtStart,
    SessionTimerNotRestarted,
    KeepAliveByDeposedLeader,
    WatchGapAtFailover,
    StatesNeverCompared,
    NewestStateForBase,
    IdsForgottenAtLeaderChange,
    TrimBeyondConsumer,
    WithdrawnIdsKept,
    EntriesForMessages,
    LostClaimStores,
    PendingDroppedOnDownload,
    PoppedBeforeApplied,
    HashWithoutCursors,
    CutBeforeAgreement,
    PreviousGenerationCollected,
    EndLogBeforeFlush,
    WallClockInFold,
    CursorWithoutEffects,
    OwnershipReused,
    PartitionTakenUnasked,
}

/// <summary>Which mistake is in force. Only a build with <c>-p:Planted=true</c> has any.</summary>
internal static class Planted
{
#if PLANTED
    internal static bool IsPossible => true;

    internal static PlantedBug Bug { get; set; }

    internal static bool Is(PlantedBug bug) => Bug == bug;
#else
    internal static bool IsPossible => false;

    internal static bool Is(PlantedBug bug) => bug < PlantedBug.None;
#endif
}
