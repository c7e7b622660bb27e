%% CETS: writes to a table that three nodes keep in memory. Where CETS was built is in CETS_EBIN.
%% Arguments: loads, each WAY:WRITERS or WAY:3xWRITERS (so many on each node), where WAY is insert,
%% insert_many (100 records a call) or insert_new (on a node that does not lead).
-module(peer_cets).
-export([start/1, open/0, fill/0, clear/0, size/0, load/2]).
-define(KEYS, 1000000).
-define(CALL, 100).

start(Loads) ->
    Nodes = peer_nodes:start(),
    [First | Others] = Nodes,
    [true = call(First, net_kernel, connect_node, [Name]) || {_, Name} <- Others],
    [Server | Servers] = on_all(Nodes, open, []),
    [ok = call(First, cets_join, join, [lock, #{}, Server, Other]) || Other <- Servers],
    [run(Nodes, Load) || Load <- Loads],
    peer_nodes:stop(Nodes),
    halt().

%% The server is linked to nobody, so it outlives the process that serves this call.
open() ->
    {ok, Server} = cets:start(table, #{}),
    Server.

run(Nodes, Load) ->
    [Way, Writers] = string:split(Load, ":"),
    Leader = node(call(hd(Nodes), cets, get_leader, [table])),
    {Leading, Others} = lists:partition(fun({_, Name}) -> Name =:= Leader end, Nodes),
    %% Overwrites find a full table, as everywhere else; new keys find an empty one.
    on_all(Nodes, case Way of "insert_new" -> clear; _ -> fill end, []),
    Result = peer_nodes:measure(Others ++ Leading, ?MODULE, [Way, Writers]),
    [Size, Size, Size] = on_all(Nodes, size, []),
    peer_load:report("cets." ++ Way ++ "." ++ Writers, Result).

%% Every node fills its own copy.
fill() -> ets:insert(table, [record(I) || I <- lists:seq(0, ?KEYS - 1)]).

clear() -> ets:delete_all_objects(table).

size() -> ets:info(table, size).

load(Way, Writers) ->
    Offset = erlang:phash2(node(), ?KEYS),
    Number = fun(Id, Round) -> Offset + Round * Writers + Id end,
    load(Way, Writers, Number).

load("insert", Writers, Number) ->
    peer_load:latencies(Writers, fun(Id, Round) ->
        ok = cets:insert(table, record(Number(Id, Round) rem ?KEYS))
    end);
load("insert_many", Writers, Number) ->
    #{per_second := Calls} = Result = peer_load:latencies(Writers, fun(Id, Round) ->
        First = Number(Id, Round) * ?CALL,
        Records = [record(I rem ?KEYS) || I <- lists:seq(First, First + ?CALL - 1)],
        ok = cets:insert_many(table, Records)
    end),
    Result#{per_second := Calls * ?CALL};
load("insert_new", Writers, Number) ->
    peer_load:latencies(Writers, fun(Id, Round) ->
        true = cets:insert_new(table, record(Number(Id, Round)))
    end).

record(I) -> {peer_load:key(I), peer_load:value(I)}.

call(Node, Module, Function, Arguments) -> peer_nodes:call(Node, Module, Function, Arguments).

on_all(Nodes, Function, Arguments) -> peer_nodes:on_all(Nodes, ?MODULE, Function, Arguments).
