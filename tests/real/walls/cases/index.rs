//! The catalogue itself: every line of it, and the test that proves those that are not in a list of this suite.

use std::{collections::BTreeSet, process::Command};

/// Lines that have tests of their own, by the names that the test runner has for them; without `walls::` where it is one of
/// these suites.
const ELSEWHERE: &[(&str, &str)] = &[
    ("A15", "cases::odd::folders_of_the_policy_that_are_missing_or_forbidden_open_nothing"),
    ("B04", "secrets::the_environment_is_built_from_nothing"),
    ("B05", "secrets::what_the_policy_calls_secret_is_hidden_from_commands"),
    ("B05", "secrets::masked_files_are_empty_and_unreadable_wherever_they_go"),
    ("B11", "processes::commands_inherit_three_open_files"),
    ("B13", "cases::rights::the_servers_journal_and_policy_can_be_neither_read_nor_written"),
    ("C03", "secrets::a_secret_is_hidden_under_every_name_that_it_has_in_the_folder"),
    ("C03", "cli::doctor_tells_of_files_with_other_names"),
    ("C03", "files::a_hard_link_to_the_outside_is_copied_before_it_is_written"),
    ("C08", "cases::odd::a_protected_path_that_is_a_link_opens_nothing"),
    ("C09", "cases::steering::steering_files_come_back_apart_and_never_reach_the_disk"),
    ("C10", "builds::git_works_in_the_shadow_and_leaves_no_trace"),
    ("C12", "cases::odd::odd_names_are_handled_and_lead_nowhere"),
    ("C13", "builds::a_linked_work_tree_finds_its_repository"),
    ("C15", "cases::reach::an_alias_of_the_workspace_shows_the_same_files_read_only"),
    ("C16", "files::any_name_of_a_workspace_works"),
    ("C16", "cases::odd::a_workspace_whose_name_cannot_be_told_is_refused_with_a_word"),
    ("C16", "cases::odd::files_of_somebody_else_are_read_and_replaced_and_never_silently_kept"),
    ("C16", "refusals::a_folder_of_somebody_else_is_refused"),
    ("D10", "git::canaries::fsmonitor"),
    ("E10", "output::nothing_waits_for_who_holds_the_pipe"),
    ("E11", "output::nothing_waits_for_who_holds_the_pipe"),
    ("E14", "cases::rights::the_servers_terminal_is_out_of_reach"),
    ("E15", "processes::privileges_are_gone"),
    ("E16", "cases::rights::a_set_user_id_program_gives_no_rights"),
    ("E17", "processes::no_way_to_more_rights"),
    ("E18", "cases::denied::mounts_cannot_be_changed"),
    ("E20", "processes::the_filter_refuses_what_no_build_needs"),
    ("E23", "secrets::the_environment_is_built_from_nothing"),
    ("E24", "processes::calls_of_a_foreign_architecture_end_the_process"),
    ("E24", "processes::the_filter_refuses_what_no_build_needs"),
    ("E26", "cases::rights::programs_planted_in_the_workspace_are_not_found_by_name"),
    ("E27", "refusals::a_step_that_fails_is_named_and_nothing_runs"),
    ("F04", "network::programs_of_this_machine_cannot_be_reached"),
    ("F04", "weak::no_socket_leads_anywhere"),
    ("F06", "weak::no_socket_leads_anywhere"),
    ("F06", "network::only_plain_sockets_can_be_made"),
    ("F07", "network::only_plain_sockets_can_be_made"),
    ("F08", "network::only_plain_sockets_can_be_made"),
    ("F09", "network::programs_of_this_machine_cannot_be_reached"),
    ("F10", "cases::reach::sockets_of_the_users_programs_are_out_of_reach_wherever_they_lie"),
    ("F11", "processes::the_filter_refuses_what_no_build_needs"),
    ("F12", "cases::reach::what_a_command_listens_on_cannot_be_reached_from_here"),
    ("F14", "network::a_loopback_of_ones_own_works"),
    ("F16", "proxy::names_that_lead_to_this_machine_or_its_neighbours_stay_closed"),
    ("F16", "proxy::of_several_addresses_only_the_permitted_one_is_dialled"),
    ("F17", "proxy::nothing_but_the_exact_host_and_port_is_open"),
    ("F18", "proxy::a_named_host_is_reached_and_written_down"),
    ("F22", "proxy::a_command_with_network_holds_nothing_of_the_servers"),
    ("F22", "cases::rights::a_connected_socket_that_the_server_forgot_to_close_is_not_passed_on"),
    ("G01", "bombs::what_multiplies_is_stopped_at_every_level"),
    ("G01", "limits::the_limit_of_processes_is_named"),
    ("G02", "limits::memory_is_bounded_by_the_kernel_or_by_samples"),
    ("G02", "weak::limits_hold"),
    ("G05", "output::the_exit_status_is_the_commands_however_much_it_says"),
    ("G05", "output::memory_stays_flat_and_the_middle_can_be_paged"),
    ("G06", "output::a_million_small_writes_come_in_few_pieces"),
    ("G06", "output::escapes_and_broken_bytes_reach_nobody"),
    ("G07", "limits::processor_time_is_another_limit_than_time"),
    ("G08", "limits::a_hundred_thousand_files_are_survived"),
    ("G10", "output::nothing_waits_for_who_holds_the_pipe"),
    ("G12", "output::nothing_waits_for_who_holds_the_pipe"),
    ("G13", "limits::nothing_is_synced_in_a_commands_time"),
    ("G13", "cases::odd::the_shadow_is_mounted_so_that_no_command_syncs_the_file_system"),
    ("G13", "shadows::shadows_of_killed_servers_are_swept_and_living_ones_are_not"),
    ("H01", "builds::cargo_builds_and_tests_without_network"),
    ("H04", "builds::python_tests_with_processes_and_shared_memory"),
    ("H06", "fetching::pip_fetches_with_network_and_its_packages_work_without"),
    ("H07", "builds::git_works_in_the_shadow_and_leaves_no_trace"),
    ("H16", "cases::allowed::git_finds_its_work_tree_from_below_and_sees_no_noise"),
    ("H18", "denials::rights_and_services"),
    ("H20", "managers::configuration_is_there_without_its_credentials"),
    ("H20", "secrets::git_configuration_is_shown_without_credentials"),
    ("H20", "cases::allowed::a_repository_above_the_workspace_shows_no_credentials"),
];

/// The lines of the catalogue.
const EVERY: &str = "
    A01 A03 A04 A05 A06 A07 A08 A09 A10 A12 A13 A15 A16
    B01 B02 B04 B05 B06 B09 B10 B11 B13
    C03 C04 C06 C07 C08 C09 C10 C12 C13 C14 C15 C16
    D04 D05 D06 D10 D11
    E01 E03 E04 E06 E10 E11 E14 E15 E16 E17 E18 E20 E21 E23 E24 E25 E26 E27
    F01 F02 F03 F04 F06 F07 F08 F09 F10 F11 F12 F14 F16 F17 F18 F22
    G01 G02 G05 G06 G07 G08 G10 G12 G13
    H01 H03 H04 H05 H06 H07 H08 H09 H11 H12 H15 H16 H18 H20
";

#[test]
fn every_line_of_the_catalogue_is_proved() {
    let lists = super::denied::ids().chain(super::reach::ids()).chain(super::steering::ids()).chain(super::allowed::ids());
    let proved: BTreeSet<&str> = lists.chain(ELSEWHERE.iter().map(|(id, _)| *id)).collect();
    let every: BTreeSet<&str> = EVERY.split_whitespace().collect();
    assert_eq!(proved, every);
    // Tests are renamed and removed: this binary says which it has.
    let listed = Command::new(std::env::current_exe().unwrap()).args(["--list", "--format", "terse"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tests: BTreeSet<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let has = |name: &str| tests.contains(name) || tests.contains(format!("walls::{name}").as_str());
    let missing: Vec<_> = ELSEWHERE.iter().filter(|(_, name)| !has(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
